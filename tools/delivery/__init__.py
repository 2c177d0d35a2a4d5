"""What `python -m tools deliver` is made of: who gets what, what became of it, and the sending itself."""
