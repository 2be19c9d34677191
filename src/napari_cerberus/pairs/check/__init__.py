"""What can be wrong with training pairs, found before a training starts."""
