{{ config(materialized = "view") }}
select * from {{ ref("stg_files__quotas") if reads_files() else ref("demo_quotas") }}
