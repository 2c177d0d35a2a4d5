{{ config(
    enabled = reads_files(),
    materialized = landing_materialization("field_history"),
) }}
{{ read_input("field_history") }}
