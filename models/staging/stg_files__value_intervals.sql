{{ config(enabled = reads_files()) }}
select * from {{ landed("value_intervals") }}
