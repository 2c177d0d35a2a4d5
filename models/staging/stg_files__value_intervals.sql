{{ config(enabled = reads_files()) }}
select * from {{ source("landing", "value_intervals") }}
