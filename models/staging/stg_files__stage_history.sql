{{ config(enabled = reads_files()) }}
select * from {{ landed("stage_history") }}
