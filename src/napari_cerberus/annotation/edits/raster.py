"""Drawn lines and polygons as pixels. Points are (row, column), floats, pixel centres at integers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon as polygon_pixels

from ...errors import EditError
from ..label_maps import IntArray

Points = NDArray[np.float64]

_FARTHEST_PX = 1e9
"""Drawn points are brought within this of the image, and to a thousandth of a pixel, so that no sum overflows."""


def as_points(points: Sequence[Sequence[float]] | NDArray[np.floating], least: int, what: str) -> Points:
    """Check drawn points.

    Parameters
    ----------
    least : int
        Fewest points that make sense.
    what : str
        Name for the message: "The line".

    Returns
    -------
    (n, 2) float64 array

    Raises
    ------
    EditError
        If they are not n ≥ ``least`` finite pairs.
    """
    try:
        array = np.asarray(points, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise EditError(f"{what} must be a list of row and column pairs.") from error
    if array.ndim != 2 or array.shape[1] != 2 or array.shape[0] < least or not np.isfinite(array).all():
        raise EditError(f"{what} needs at least {least} points; draw it again.")
    return np.clip(np.round(array, 3), -_FARTHEST_PX, _FARTHEST_PX)


def line_pixels(line: Points, shape: tuple[int, int]) -> tuple[IntArray, IntArray]:
    """Pixels of a polyline, joined by their sides, so that what it cuts also falls apart at corners.

    Returns
    -------
    rows, cols : int64 arrays
        Inside the image; each pixel once.
    """
    found: list[IntArray] = []
    for start, end in pairwise(line):
        clipped = _clipped(start, end, shape)
        if clipped is not None:
            found.append(_segment_pixels(*clipped))
    if not found:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    pixels = np.concatenate(found)
    inside = ((pixels >= 0) & (pixels < shape)).all(axis=1)
    flat = np.unique(pixels[inside, 0] * shape[1] + pixels[inside, 1])
    return flat // shape[1], flat % shape[1]


def _segment_pixels(start: Points, end: Points) -> IntArray:
    count = int(np.ceil(2 * np.abs(end - start).max())) + 2
    steps = np.rint(np.linspace(start, end, count)).astype(np.int64)
    corners = np.stack([steps[1:, 0], steps[:-1, 1]], axis=1)  # the side-joined way round a diagonal step
    return np.concatenate([steps, corners])


def _clipped(start: Points, end: Points, shape: tuple[int, int]) -> tuple[Points, Points] | None:
    """The part of a segment within two pixels of the image (Liang and Barsky 1984), None where there is none.

    Without it a line that ends far outside would cost memory by its length.
    """
    enter, leave = 0.0, 1.0
    for axis in (0, 1):
        step = end[axis] - start[axis]
        for distance, room in ((-step, start[axis] + 2), (step, shape[axis] + 1 - start[axis])):
            if distance == 0:
                if room < 0:
                    return None
            elif distance < 0:
                enter = max(enter, room / distance)
            else:
                leave = min(leave, room / distance)
    if enter > leave:
        return None
    return start + enter * (end - start), start + leave * (end - start)


def inside_polygon(polygon: Points, shape: tuple[int, int]) -> tuple[IntArray, IntArray]:
    """Rows and columns of the image pixels whose centres lie inside a polygon; self-crossings count even-odd."""
    rows, cols = polygon_pixels(polygon[:, 0], polygon[:, 1], shape)
    return rows.astype(np.int64), cols.astype(np.int64)
