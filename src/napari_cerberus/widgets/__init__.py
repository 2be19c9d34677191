"""Panels of the dock, one a file: they build, connect and react."""
