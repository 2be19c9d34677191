"""From open and saved annotations to training pairs."""
