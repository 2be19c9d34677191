"""Outlines of objects along the edges of their pixels: exact, also for small objects, holes and the image's border.

Coordinates are those of QuPath and of GeoJSON for images: x to the right, y down, pixel (0, 0) covers 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ring = list[tuple[int, int]]
_RIGHT = 0  # then down, left, up
_TURNS = tuple(tuple((direction + turn) % 4 for turn in (1, 0, 3)) for direction in range(4))
"""For each direction the next ones to try: right, straight on, left."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One connected piece of an object.

    Attributes
    ----------
    outer : list of (x, y)
        Corners, clockwise on the screen, the first not repeated at the end.
    holes : list of such lists
        Counter-clockwise.
    """

    outer: Ring
    holes: list[Ring]


def shapes_of(mask: NDArray[np.bool_], *, y0: int = 0, x0: int = 0) -> list[Shape]:
    """Outlines of a mask's pieces; pixels that touch at a corner only belong to different pieces.

    No ring touches itself, so every piece is a valid polygon in the sense of OGC and JTS.

    Parameters
    ----------
    mask : (H, W) bool array
    y0, x0 : int
        Added to all coordinates.
    """
    rings = [simple for ring in _traced(mask) for simple in _split_where_it_touches_itself(ring)]
    outers = [ring for ring in rings if _doubled_area(ring) > 0]
    holes = [ring for ring in rings if _doubled_area(ring) < 0]
    shapes = [Shape(_corners(ring, y0, x0), []) for ring in outers]
    for hole in holes:
        owner = 0 if len(outers) == 1 else _smallest_around(hole, outers)
        shapes[owner].holes.append(_corners(hole, y0, x0))
    return shapes


def _traced(mask: NDArray[np.bool_]) -> list[list[tuple[int, int]]]:
    """Closed walks (row, column) along pixel edges with the object on the right-hand side.

    Where two pixels touch at a corner the walk turns right, that is, it stays with its own pixel.
    """
    width = mask.shape[1] + 1
    ways = _ways_out(mask)
    rights = ways[_RIGHT]
    rings = []
    start = rights.find(1)
    while start >= 0:
        rings.append([divmod(corner, width) for corner in _walk(ways, start, width)])
        start = rights.find(1, start)
    return rings


def _ways_out(mask: NDArray[np.bool_]) -> list[bytearray]:
    """For each direction, from which corners of the (H + 1, W + 1) an edge leads there, row by row."""
    padded = np.pad(mask, 1)
    above_left, above_right = padded[:-1, :-1], padded[:-1, 1:]
    below_left, below_right = padded[1:, :-1], padded[1:, 1:]
    ways = (
        below_right & ~above_right,
        below_left & ~below_right,
        above_left & ~below_left,
        above_right & ~above_left,
    )
    # Plain bytes, because the walk looks at them one by one, which numpy is slow at.
    return [bytearray(way.tobytes()) for way in ways]


def _walk(ways: list[bytearray], corner: int, width: int) -> list[int]:
    """Follow one ring from its corner, taking its edges away."""
    steps = (1, width, -1, -width)
    ring = []
    direction = _RIGHT
    while ways[direction][corner]:
        ways[direction][corner] = 0
        ring.append(corner)
        corner += steps[direction]
        for turned in _TURNS[direction]:
            if ways[turned][corner]:
                direction = turned
                break
    return ring


def _split_where_it_touches_itself(ring: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Cut a ring into rings that pass each corner once."""
    simple: list[list[tuple[int, int]]] = []
    path: list[tuple[int, int]] = []
    position: dict[tuple[int, int], int] = {}
    for corner in ring:
        if corner in position:
            start = position[corner]
            loop = path[start:]
            simple.append(loop)
            for passed in loop:
                del position[passed]
            del path[start:]
        position[corner] = len(path)
        path.append(corner)
    simple.append(path)
    return simple


def _corners(ring: list[tuple[int, int]], y0: int, x0: int) -> Ring:
    """(x, y) of the points where a ring turns."""
    around = [ring[-1], *ring, ring[0]]
    return [
        (x0 + column, y0 + row)
        for (row_before, column_before), (row, column), (row_after, column_after) in zip(
            around, around[1:], around[2:], strict=False
        )
        if row_before != row_after and column_before != column_after
    ]


def _doubled_area(ring: list[tuple[int, int]]) -> int:
    """Twice the area; positive for clockwise rings on the screen."""
    return sum(
        column * next_row - next_column * row
        for (row, column), (next_row, next_column) in zip(ring, [*ring[1:], ring[0]], strict=True)
    )


def _smallest_around(hole: list[tuple[int, int]], outers: list[list[tuple[int, int]]]) -> int:
    """Index of the smallest outer ring that encloses a hole."""
    enclosing = [index for index, outer in enumerate(outers) if _encloses(outer, hole)]
    return min(enclosing, key=lambda index: _doubled_area(outers[index]))


def _encloses(outer: list[tuple[int, int]], hole: list[tuple[int, int]]) -> bool:
    """Whether the point a little inside the hole's first edge lies in the outer ring, by counting crossings."""
    (row, column), (next_row, next_column) = hole[0], hole[1]
    # The hole lies on the left-hand side of its counter-clockwise edges.
    y = (row + next_row) / 2 - (next_column - column) / 4
    x = (column + next_column) / 2 + (next_row - row) / 4
    crossings = 0
    for (r0, c0), (r1, c1) in zip(outer, [*outer[1:], outer[0]], strict=True):
        if c0 == c1 and c0 > x and min(r0, r1) < y < max(r0, r1):
            crossings += 1
    return crossings % 2 == 1
