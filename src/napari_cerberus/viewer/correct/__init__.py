"""Result layers under correction: tools, undo, review, autosave."""
