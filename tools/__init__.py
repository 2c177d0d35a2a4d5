"""What is run beside dbt: `python -m tools <command>`, each with --help."""
