{{ config(materialized = "view") }}
select * from {{ ref("stg_files__stages") if var("stages_file", none) else ref("pipeline_stages") }}
