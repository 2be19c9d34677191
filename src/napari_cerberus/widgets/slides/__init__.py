"""Panel of whole slides."""
