"""What one sees while correcting: camera, marks over the image, and which object a key will hit."""
