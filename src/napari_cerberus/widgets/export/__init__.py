"""Panels of the step Export."""
