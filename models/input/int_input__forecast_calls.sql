{{ config(materialized = "view") }}
select * from {{ ref("stg_files__forecast_calls") }}
