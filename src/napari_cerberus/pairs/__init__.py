"""Training pairs on disk, and exchange with other programs. Knows numpy and files, no network and no screen."""
