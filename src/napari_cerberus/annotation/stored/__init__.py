"""What the files of a saved annotation hold: its description, its label images and its object table."""
