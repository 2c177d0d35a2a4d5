{{ config(materialized = "view") }}
select * from {{ ref("stg_files__stage_history") if reads_files() else ref("stg_demo__stage_history") }}
