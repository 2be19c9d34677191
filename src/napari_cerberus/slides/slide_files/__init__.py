"""Slide files of every maker, opened lazily as one kind of slide."""
