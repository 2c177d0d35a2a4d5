{{ config(enabled = not reads_files()) }}
{{ select_input("field_history", ref("demo_field_history")) }}
