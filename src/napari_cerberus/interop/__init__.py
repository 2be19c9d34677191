"""Annotations to and from other programs: QuPath, COCO tools, TIFF readers, spreadsheets, papers."""
