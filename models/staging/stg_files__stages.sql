{{ config(enabled = var("stages_file", none) is not none) }}
{{ read_input("stages") }}
