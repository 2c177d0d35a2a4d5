"""How a build's vars and input files are checked and read, before its first node. dbt-duckdb loads `intake.plugin` (profiles.yml)."""
