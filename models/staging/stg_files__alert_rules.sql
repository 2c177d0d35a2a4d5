{{ config(enabled = var("alert_rules_file", none) is not none) }}
{{ read_input("alert_rules") }}
