{{ config(enabled = reads_files()) }}
select * from {{ source("landing", "reps") }}
