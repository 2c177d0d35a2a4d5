{{ config(enabled = not reads_files()) }}
{{ select_input("deals", ref("demo_deals")) }}
