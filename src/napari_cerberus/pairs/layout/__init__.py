"""How training pairs lie on disk: folders, names, manifest and sidecars."""
