{{ config(enabled = reads_files()) }}
select * from {{ landed("quotas") }}
