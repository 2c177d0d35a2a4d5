{{ config(materialized = "view") }}
select * from {{ ref("stg_files__field_history") if reads_files() else ref("stg_demo__field_history") }}
