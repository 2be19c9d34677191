"""Slides that are DICOM files, by wsidicom (an extra). Label and overview images are not opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...decode_errors import reason_of
from ...errors import ImageError, InstallationError
from ...inference.grid.model_grid import Window
from .slide import Level, OpenFile, Pixels, Slide, believed, lazy


def open_dicom(path: Path) -> Slide:
    """Open a folder of DICOM files, or the slide that one of its files belongs to.

    Raises
    ------
    InstallationError
        The extra is not installed.
    ImageError
        The files are damaged or hold no slide.
    """
    try:
        from wsidicom import WsiDicom
        from wsidicom.errors import WsiDicomError
    except ImportError as error:
        raise InstallationError(
            f"{path.name} needs wsidicom: pip install 'napari-cerberus[dicom]', then open it again."
        ) from error
    folder = path if path.is_dir() else path.parent
    try:
        file = WsiDicom.open(folder)
    except WsiDicomError as error:
        raise ImageError(f"{folder} holds no DICOM slide that can be read ({reason_of(error)}).") from error
    handle = OpenFile(file.close)
    levels = sorted(file.levels, key=lambda level: -level.size.width)
    if any(level.default_instance.image_data.samples_per_pixel != 3 for level in levels):
        raise ImageError(f"{folder} is no RGB picture; choose a scan of an H&E slide.")
    mpp = levels[0].mpp
    return Slide(
        path=folder,
        format="DICOM",
        levels=tuple(lazy(folder, _level(file, level, handle)) for level in levels),
        pixel_size=believed(float(mpp.height), float(mpp.width)) if mpp is not None else None,
    )


def _level(file: Any, level: Any, handle: OpenFile) -> Level:
    tile = (int(level.tile_size.height), int(level.tile_size.width))
    read = _reader(file, level.level)
    return Level(height=level.size.height, width=level.size.width, tile=tile, read=read, file=handle)


def _reader(file: Any, number: int) -> Callable[[Window], Pixels]:
    def read(window: Window) -> Pixels:
        height, width = window.shape
        return np.asarray(file.read_region((window.x0, window.y0), number, (width, height), as_array=True))[..., :3]

    return read
