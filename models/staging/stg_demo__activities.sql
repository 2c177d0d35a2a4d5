{{ config(enabled = not reads_files()) }}
{{ select_input("activities", ref("demo_activities")) }}
