"""Fine-tunes and models as the dock follows them."""
