"""From probabilities to objects: cutting, mending and describing them."""
