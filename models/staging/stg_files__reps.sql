{{ config(
    enabled = reads_files(),
    materialized = landing_materialization("reps"),
) }}
{{ read_input("reps") }}
