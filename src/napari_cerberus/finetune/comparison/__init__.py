"""The new model against the old one on held-out patients: the gate before promotion."""
