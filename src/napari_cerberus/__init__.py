"""napari-cerberus: interactive annotation assist for H&E histology. Importing this loads neither torch nor Qt."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("napari-cerberus")
except PackageNotFoundError:  # pragma: no cover - a source tree that was never installed
    __version__ = "0+unknown"
