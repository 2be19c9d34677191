"""Slides that need OpenSlide (an extra): MRXS, and BIF, whose overlapping tiles only OpenSlide stitches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...decode_errors import reason_of
from ...errors import ImageError, InstallationError
from ...inference.grid.model_grid import Window
from .slide import Level, OpenFile, Pixels, Slide, believed, lazy

_TILE_PX = 512
_NAMES = {"mirax": "3DHISTECH MRXS", "ventana": "Ventana BIF"}


def open_with_openslide(path: Path) -> Slide:
    """Open a slide with OpenSlide.

    Raises
    ------
    InstallationError
        The extra is not installed.
    ImageError
        The file is damaged or no slide.
    """
    try:
        import openslide
    except (ImportError, OSError) as error:
        raise InstallationError(
            f"{path.name} needs OpenSlide: pip install 'napari-cerberus[openslide]', then open it again."
        ) from error
    try:
        file = openslide.OpenSlide(path)
    except openslide.OpenSlideError as error:
        raise ImageError(f"{path.name} is damaged or no slide ({reason_of(error)}).") from error
    handle = OpenFile(file.close)
    levels = tuple(lazy(path, _level(path, file, number, handle)) for number in range(file.level_count))
    high, wide = (_number(file.properties.get(f"openslide.mpp-{axis}")) for axis in "yx")
    vendor = str(file.properties.get("openslide.vendor", "slide"))
    return Slide(path=path, format=_NAMES.get(vendor, vendor), levels=levels, pixel_size=believed(high, wide))


def _level(path: Path, file: Any, number: int, handle: OpenFile) -> Level:
    width, height = file.level_dimensions[number]
    read = _reader(path, file, number)
    return Level(height=height, width=width, tile=(_TILE_PX, _TILE_PX), read=read, file=handle)


def _reader(path: Path, file: Any, number: int) -> Callable[[Window], Pixels]:
    import openslide

    def read(window: Window) -> Pixels:
        step = file.level_downsamples[number]
        corner = (round(window.x0 * step), round(window.y0 * step))
        height, width = window.shape
        try:
            picture = np.asarray(file.read_region(corner, number, (width, height)))
        except openslide.OpenSlideError as error:
            raise ImageError(f"{path.name} cannot be read ({reason_of(error)}); copy it again.") from error
        return np.where(picture[..., 3:] > 0, picture[..., :3], np.uint8(255))  # never scanned: glass

    return read


def _number(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None
