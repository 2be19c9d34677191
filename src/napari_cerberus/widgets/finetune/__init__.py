"""Panels of the step Learn."""
