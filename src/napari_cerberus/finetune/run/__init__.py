"""A fine-tune in a process of its own: starting, steering and following it."""
