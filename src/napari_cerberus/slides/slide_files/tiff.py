"""Slides that are TIFF files: SVS, NDPI, SCN, OME-TIFF and other pyramids, by tifffile."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr

from ...annotation.stored.tiff_files import open_tiff as open_chain
from ...annotation.stored.tiff_files import refuse_circle
from ...decode_errors import DECODE_ERRORS, reason_of
from ...errors import ImageError
from ...inference.grid.model_grid import Window
from ...inference.images.stated_size import from_tiff
from .slide import Level, OpenFile, Pixels, Slide, believed, lazy

_SIDE_IMAGES = ("label", "macro", "thumbnail", "map", "overview", "probability")
_PHILIPS_SPACING = re.compile(r'DICOM_PIXEL_SPACING"[^>]*>\s*"?([0-9.eE+-]+)"?\s+"?([0-9.eE+-]+)')
_UM_PER_MM = 1000.0
_GLASS = 255
"""Tiles that a scanner left out (they are empty glass) are white."""


def open_tiff(path: Path) -> Slide:
    """Open a TIFF slide. Raises ``ImageError``, and what tifffile raises on damaged files."""
    try:
        file = tifffile.TiffFile(path)
        handle = OpenFile(file.close)
        refuse_circle(file)
        series = _main_series(path, file)
    except tifffile.TiffFileError as error:
        raise ImageError(f"{path.name} is damaged or no TIFF file ({reason_of(error)}).") from error
    levels = tuple(lazy(path, _level(path, series, number, handle)) for number in range(len(series.levels)))
    wide, high = _stated(file)
    return Slide(
        path=path,
        format=_format(file),
        levels=levels,
        pixel_size=believed(high, wide),
        notes=_notes(file, series),
    )


def is_slide(path: Path) -> bool:
    """True for a TIFF with several levels, or of a scanner; an ordinary picture is left to other readers."""
    try:
        with open_chain(path) as file:
            return _scanner(file) is not None or any(len(series.levels) > 1 for series in file.series)
    except (tifffile.TiffFileError, *DECODE_ERRORS):
        return False


def _main_series(path: Path, file: tifffile.TiffFile) -> Any:
    """The largest colour image that is no label, macro or thumbnail."""
    candidates = [one for one in file.series if not any(word in one.name.lower() for word in _SIDE_IMAGES)]
    colour = [one for one in candidates if _picture_axes(one) is not None and one.dtype == np.uint8]
    if not colour:
        raise ImageError(_no_colour(path, candidates))
    return max(colour, key=_area)


def _no_colour(path: Path, candidates: Sequence[Any]) -> str:
    if not candidates:
        return f"{path.name} holds no image of the tissue."
    largest = max(candidates, key=_area)
    return (
        f"{path.name} is no 8-bit RGB picture (axes {largest.axes}, {largest.dtype}); fluorescence and grey images "
        "cannot be annotated: choose a scan of an H&E slide."
    )


def _area(series: Any) -> int:
    sizes = dict(zip(series.axes, series.shape, strict=True))
    return int(sizes.get("Y", 0)) * int(sizes.get("X", 0))


def _picture_axes(series: Any) -> str | None:
    """The axis of the colours, where every other axis besides Y and X has length 1 (the first plane is taken of Z)."""
    sizes = dict(zip(series.axes, series.shape, strict=True))
    if not {"Y", "X"} <= set(sizes):
        return None
    return next((axis for axis in ("S", "C") if sizes.get(axis) in (3, 4)), None)


def _level(path: Path, series: Any, number: int, handle: OpenFile) -> Level:
    level = series.levels[number]
    colours = _picture_axes(level)
    if colours is None:
        raise ImageError(f"{path.name} is damaged: resolution level {number} is no colour picture.")
    sizes = dict(zip(level.axes, level.shape, strict=True))
    page = level.keyframe
    _check_extent(path, level)
    tile = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip or 1, page.imagewidth)
    read = _reader(series, number, level.axes, colours)
    sides = (int(tile[0]), int(tile[1]))
    return Level(height=int(sizes["Y"]), width=int(sizes["X"]), tile=sides, read=read, file=handle)


def _check_extent(path: Path, level: Any) -> None:
    """Raises ``ImageError`` where tiles lie beyond the file's end; tifffile would show them as empty."""
    size = level.keyframe.parent.filehandle.size
    for page in level.pages:
        if page is None or not len(page.dataoffsets):
            raise ImageError(f"{path.name} is damaged: it does not say where its pixels are. Copy it again.")
        ends = (offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True) if count)
        if max(ends, default=0) > size:
            raise ImageError(
                f"{path.name} is cut short: its last pixels lie beyond the end of the file. Copy it again."
            )


def _reader(series: Any, number: int, axes: str, colours: str) -> Callable[[Window], Pixels]:
    array = zarr.open_array(series.aszarr(level=number, fillvalue=_GLASS), mode="r")

    def read(window: Window) -> Pixels:
        rows, columns = window.slices
        wanted = {"Y": rows, "X": columns, colours: slice(3)}
        pixels = np.asarray(array[tuple(wanted.get(axis, 0) for axis in axes)])
        order = "".join(axis for axis in axes if axis in wanted)
        return pixels.transpose([order.index(axis) for axis in ("Y", "X", colours)])

    return read


def _stated(file: tifffile.TiffFile) -> tuple[float | None, float | None]:
    """Width and height of a pixel in µm."""
    if file.is_philips and (found := _PHILIPS_SPACING.search(str(file.philips_metadata))):
        return float(found[2]) * _UM_PER_MM, float(found[1]) * _UM_PER_MM
    return from_tiff(file)


def _scanner(file: tifffile.TiffFile) -> str | None:
    names = {"svs": "Aperio SVS", "ndpi": "Hamamatsu NDPI", "scn": "Leica SCN", "philips": "Philips TIFF"}
    return next((name for flag, name in names.items() if flag in file.flags), None)


def _format(file: tifffile.TiffFile) -> str:
    return _scanner(file) or ("OME-TIFF" if file.is_ome else "TIFF")


def _notes(file: tifffile.TiffFile, chosen: Any) -> tuple[str, ...]:
    others = [one for one in file.series if _picture_axes(one) and len(one.levels) > 1 and one is not chosen]
    return (f"The file holds {1 + len(others)} scanned regions; the largest is open.",) if others else ()
