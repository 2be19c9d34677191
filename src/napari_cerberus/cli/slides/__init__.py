"""Whole slides on the command line."""
