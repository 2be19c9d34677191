"""Training: from tiles on disk to a model, and what the model is worth."""
