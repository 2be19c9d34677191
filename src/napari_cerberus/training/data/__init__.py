"""From tiles on disk to augmented batches with targets."""
