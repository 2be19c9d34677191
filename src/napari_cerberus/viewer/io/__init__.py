"""What napari's File menu opens and saves."""
