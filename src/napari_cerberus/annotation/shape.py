"""Shape of every object of a label map in one pass: perimeter, holes, separate parts."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from skimage.measure import label as label_parts

from .label_maps import IntArray, Labels, compact

_DIAGONAL = (3, 2, 1, 0)
"""Position of the diagonal neighbour in a 2×2 square read row by row."""


def outlines(labels: Labels) -> pd.DataFrame:
    """Perimeter, parts and holes of all objects.

    Perimeters follow Crofton's formula with four directions, so they do not grow with the pixels' staircase. Parts
    are eight-connected, holes four-connected; holes come from the Euler number by counting 2×2 squares (Gray 1971).
    The image's edge counts as outline.

    Returns
    -------
    DataFrame
        ``index``, ``perimeter_px``, ``parts``, ``holes``; ids ascending.
    """
    ids, renumbered = compact(labels)
    squares = _squares(renumbered)
    parts = _part_counts(renumbered, ids.size)
    holes = parts - np.rint(_euler_numbers(squares, ids.size)).astype(np.int64)
    columns = {"index": ids, "perimeter_px": _perimeters(squares, ids.size), "parts": parts, "holes": holes}
    return pd.DataFrame(columns)


def _squares(renumbered: NDArray[np.int32]) -> NDArray[np.int32]:
    """The 2×2 squares that are not all of one object, (4, n): upper left, upper right, lower left, lower right."""
    padded = np.pad(renumbered, 1)
    corners = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    mixed = (corners[0] != corners[1]) | (corners[0] != corners[2]) | (corners[0] != corners[3])
    return np.stack([corner[mixed] for corner in corners])


def _euler_numbers(squares: NDArray[np.int32], count: int) -> NDArray[np.float64]:
    """Parts less holes of each object, eight-connected: (Q1 - Q3 - 2 QD) / 4."""
    total = np.zeros(count + 1)
    weights = np.array([0, 1 / 4, 0, -1 / 12, 0])  # of a corner in a square that holds 0..4 of its object
    for corner, diagonal in enumerate(_DIAGONAL):
        own = squares[corner]
        alike = sum((squares[other] == own).astype(np.int8) for other in range(4))
        weight = weights[alike]
        weight[(alike == 2) & (squares[diagonal] == own)] = -1 / 4
        total += np.bincount(own, weight, count + 1)
    return total[1:]


def _perimeters(squares: NDArray[np.int32], count: int) -> NDArray[np.float64]:
    total = np.zeros(count + 1)
    for first, second, spacing in ((0, 1, 1.0), (0, 2, 1.0), (0, 3, math.sqrt(0.5)), (1, 2, math.sqrt(0.5))):
        crossed = squares[first] != squares[second]
        for side in (first, second):
            total += spacing * np.bincount(squares[side][crossed], minlength=count + 1)
    return math.pi / 8 * total[1:]


def _part_counts(renumbered: NDArray[np.int32], count: int) -> IntArray:
    parts, part_count = label_parts(renumbered, background=0, connectivity=2, return_num=True)
    owner = np.zeros(part_count + 1, dtype=np.int64)
    owner[parts.ravel()] = renumbered.ravel()
    return np.bincount(owner[1:], minlength=count + 1)[1:]


def roundness(area_px: NDArray[np.float64], perimeter_px: NDArray[np.float64]) -> NDArray[np.float64]:
    """4π area / perimeter²: 1 for a disk, small for ragged or branched shapes."""
    return np.asarray(4 * math.pi * area_px / np.maximum(perimeter_px, 1e-9) ** 2)
