"""A whole slide annotated beside the window, and its least certain fields."""
