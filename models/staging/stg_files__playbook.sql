{{ config(enabled = var("playbook_file", none) is not none) }}
select * from {{ source("landing", "playbook") }}
