"""The training loop: one step, one run, and what a run leaves on disk."""
