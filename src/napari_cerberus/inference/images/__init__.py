"""Image files and arrays of any kind as 8-bit RGB, with the pixel size that they state."""
