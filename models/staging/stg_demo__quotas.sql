{{ config(enabled = not reads_files()) }}
{{ select_input("quotas", ref("demo_quotas")) }}
