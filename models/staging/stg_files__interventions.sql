{{ config(
    enabled = reads_files(),
    materialized = landing_materialization("interventions"),
) }}
{{ read_input("interventions") }}
