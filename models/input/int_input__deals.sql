{{ config(materialized = "view") }}
select * from {{ ref("stg_files__deals") if reads_files() else ref("stg_demo__deals") }}
