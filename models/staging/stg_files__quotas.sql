{{ config(
    enabled = reads_files(),
    materialized = landing_materialization("quotas"),
) }}
{{ read_input("quotas") }}
