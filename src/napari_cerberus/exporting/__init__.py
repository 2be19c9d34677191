"""From annotated images, open or on disk, to training pairs: what the dock and the command line share."""
