{{ config(enabled = var("playbook_file", none) is not none) }}
{{ read_input("playbook") }}
