"""The panel of finished areas and learning from them."""
