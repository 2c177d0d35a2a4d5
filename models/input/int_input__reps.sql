{{ config(materialized = "view") }}
select * from {{ ref("stg_files__reps") if reads_files() else ref("demo_reps") }}
