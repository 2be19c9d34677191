"""Polygons to pixels: a pixel belongs to a polygon if its centre lies inside. Works for any ring, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MAX_CROSSINGS = 4_000_000


@dataclass(frozen=True, slots=True)
class Painted:
    """Pixels of a polygon inside an image.

    Attributes
    ----------
    y0, x0 : int
        Where ``mask`` lies in the image.
    mask : (h, w) bool array
        May be of size 0.
    crosses_itself : bool
        Whether a ring winds round some pixel more than once or in both directions.
    """

    y0: int
    x0: int
    mask: NDArray[np.bool_]
    crosses_itself: bool


def paint_polygon(rings: list[NDArray[np.float64]], shape: tuple[int, int]) -> Painted:
    """Fill a polygon with holes.

    Everything that a ring winds round counts as inside it, whatever its direction, and also where it crosses itself.

    Parameters
    ----------
    rings : list of (n, 2) float64 arrays
        x, y of the outer ring, then of the holes; closed or not; may reach beyond the image.
    shape : (height, width)
        Of the image.
    """
    outer = rings[0]
    low = np.clip(np.floor(outer.min(axis=0)), 0, [shape[1], shape[0]]).astype(int)
    high = np.clip(np.ceil(outer.max(axis=0)), 0, [shape[1], shape[0]]).astype(int)
    x0, y0 = low.tolist()
    size = (int(high[1]) - y0, int(high[0]) - x0)
    windings = [_winding(ring - low, size) for ring in rings]
    mask = windings[0] != 0
    for winding in windings[1:]:
        mask &= winding == 0
    return Painted(y0, x0, mask, any(_is_crossed(winding) for winding in windings))


def _winding(ring: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.int32]:
    """How often a ring winds round the centre of each pixel, by summing its crossings from left to right."""
    height, width = size
    toggles = np.zeros((height, width + 1), np.int32)
    start, end = ring, np.roll(ring, -1, axis=0)
    first = np.clip(np.ceil(np.minimum(start[:, 1], end[:, 1]) - 0.5), 0, height).astype(int)
    last = np.clip(np.ceil(np.maximum(start[:, 1], end[:, 1]) - 0.5), 0, height).astype(int)
    for chunk in _chunks(last - first):
        edge = np.repeat(chunk, (last - first)[chunk])
        rows = np.arange(len(edge)) - np.repeat(
            np.cumsum((last - first)[chunk]) - (last - first)[chunk], (last - first)[chunk]
        )
        rows += first[edge]
        (ax, ay), (bx, by) = start[edge].T, end[edge].T
        crossing = ax + (rows + 0.5 - ay) * (bx - ax) / (by - ay)
        columns = np.clip(np.ceil(crossing - 0.5), 0, width).astype(int)
        np.add.at(toggles, (rows, columns), np.where(by > ay, 1, -1))
    return toggles.cumsum(axis=1, dtype=np.int32)[:, :width]


def _chunks(lengths: NDArray[np.int_]) -> list[NDArray[np.int_]]:
    """Indices of edges in groups whose crossings fit into memory."""
    crossing = np.flatnonzero(lengths > 0)
    group = np.cumsum(lengths[crossing]) // _MAX_CROSSINGS
    return [crossing[group == number] for number in np.unique(group)]


def _is_crossed(winding: NDArray[np.int32]) -> bool:
    if not winding.size:
        return False
    low, high = int(winding.min()), int(winding.max())
    return high - low > 1
