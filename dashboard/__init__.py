"""The dashboard: reads the published marts, computes nothing of its own but sums over the deals that a reader picks."""
