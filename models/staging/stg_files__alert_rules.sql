{{ config(enabled = var("alert_rules_file", none) is not none) }}
select * from {{ landed("alert_rules") }}
