{{ config(enabled = reads_files()) }}
select * from {{ source("landing", "field_history") }}
