{{ config(materialized = "view") }}
select * from {{ ref("stg_files__interventions") if reads_files() else ref("demo_interventions") }}
