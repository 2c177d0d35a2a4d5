{{ config(enabled = var("playbook_file", none) is not none) }}
select * from {{ landed("playbook") }}
