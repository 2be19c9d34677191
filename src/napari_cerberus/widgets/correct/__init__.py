"""Panels of the step Review & correct."""
