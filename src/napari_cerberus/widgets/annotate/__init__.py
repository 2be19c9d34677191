"""Panels of the step Annotate."""
