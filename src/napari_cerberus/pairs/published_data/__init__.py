"""The field's open data sets, each read in the layout in which it is published, and written as training pairs."""
