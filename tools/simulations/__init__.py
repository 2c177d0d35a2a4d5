"""Simulations of the statistical models over generated CRMs: each module has `run(crms, seed, processes)`, which gives a Markdown table."""
