"""Finds out how a stranger's export is written and what its columns mean, and writes the vars with which a build reads it."""
