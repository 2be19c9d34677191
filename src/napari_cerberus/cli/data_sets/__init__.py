"""Data sets of other people on the command line."""
