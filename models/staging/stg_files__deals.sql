{{ config(
    enabled = reads_files(),
    materialized = landing_materialization("deals"),
) }}
{{ read_input("deals") }}
