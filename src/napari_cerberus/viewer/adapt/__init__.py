"""Finished areas in the window, and learning from them."""
