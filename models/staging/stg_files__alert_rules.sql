{{ config(enabled = var("alert_rules_file", none) is not none) }}
select * from {{ source("landing", "alert_rules") }}
