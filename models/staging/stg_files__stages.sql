{{ config(enabled = var("stages_file", none) is not none) }}
select * from {{ landed("stages") }}
