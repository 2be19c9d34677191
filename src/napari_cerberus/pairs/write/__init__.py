"""From an annotated image to training pairs on disk, all or none."""
