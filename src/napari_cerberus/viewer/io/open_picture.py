"""Opening an image file as File ▸ Open does, once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.layers import Image

from ...decode_errors import reason_of
from ...errors import ImageError


def open_picture(viewer: Any, path: Path) -> None:
    """Open an image file, or make it the active layer where it is open already.

    Raises
    ------
    ImageError
        If the file is gone or cannot be opened.
    """
    there = next((one for one in viewer.layers if isinstance(one, Image) and _is_file(one, path)), None)
    if there is not None:
        viewer.layers.selection.active = there
        return
    if not path.is_file():
        raise ImageError(f"{path} is not there any more.")
    try:
        viewer.open(str(path), plugin="napari")
    except (OSError, ValueError) as error:
        raise ImageError(f"{path} cannot be opened: {reason_of(error)}") from error


def _is_file(layer: Any, path: Path) -> bool:
    return bool(layer.source.path) and Path(layer.source.path) == path
