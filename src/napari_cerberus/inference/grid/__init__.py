"""From the grid of the image to the grid of the model, tile by tile, and back."""
