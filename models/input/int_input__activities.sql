{{ config(materialized = "view") }}
select * from {{ ref("stg_files__activities") if reads_files() else ref("demo_activities") }}
