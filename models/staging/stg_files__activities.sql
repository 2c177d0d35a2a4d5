{{ config(
    enabled = reads_files(),
    materialized = landing_materialization("activities"),
) }}
{{ read_input("activities") }}
