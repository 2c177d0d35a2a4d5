{{ config(enabled = reads_files()) }}
select * from {{ landed("field_history") }}
