{{ config(enabled = var("bands_file", none) is not none) }}
select * from {{ landed("bands") }}
