{{ config(enabled = not reads_files()) }}
{{ select_input("reps", ref("demo_reps")) }}
