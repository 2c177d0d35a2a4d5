{{ config(enabled = not reads_files()) }}
{{ select_input("interventions", ref("demo_interventions")) }}
