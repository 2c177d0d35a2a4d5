{{ config(
    enabled = reads_files(),
    materialized = landing_materialization("stage_history"),
) }}
{{ read_input("stage_history") }}
