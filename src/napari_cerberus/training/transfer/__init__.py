"""Where a training starts from, and what it keeps of it."""
