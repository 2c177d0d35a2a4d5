{{ config(enabled = not reads_files()) }}
{{ select_input("stage_history", ref("demo_stage_history")) }}
