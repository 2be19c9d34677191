"""Pieces that all panels are made of."""
