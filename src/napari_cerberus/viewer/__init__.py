"""The only bridge to napari: layers, jobs beside the window, and the session that widgets listen to."""
