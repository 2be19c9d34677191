"""Cutting one object into several: along a drawn line, or at its necks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ...errors import EditError
from ..label_maps import IntArray, Labels
from . import masks
from .changes import ChangeSet, joined
from .necks import equal_slices, parts_by_necks
from .raster import as_points, line_pixels
from .window import Window, check_labels, free_ids, window_around

SLIVER_PX = 4
"""Pieces smaller than this beside a cut are jags of the line, not parts: they go to their neighbour."""

MAX_PARTS = 100

Numbered = NDArray[np.int32]
"""Parts of an object in its window: 1 keeps the id, 2.. get new ones, 0 elsewhere."""


def split_by_line(
    labels: Labels,
    line: Sequence[Sequence[float]] | NDArray[np.floating],
    *,
    object_id: int | None = None,
    new_id: int | None = None,
) -> ChangeSet:
    """Cut objects along a drawn polyline. No pixel is lost: the cut itself goes to the nearest part.

    Every object that the line cuts in two is split. The largest part keeps the id; so does a part that was separate
    before and is not cut.

    Parameters
    ----------
    line : (n, 2) floats
        Rows and columns, pixel centres at integers; it may begin and end outside the image.
    object_id : int or None
        Cut this object only.
    new_id : int or None
        First id for new parts, see ``free_ids``.

    Raises
    ------
    EditError
        If the line misses every object, misses ``object_id``, or cuts nothing through.
    """
    check_labels(labels)
    rows, cols = line_pixels(as_points(line, 2, "The line"), (labels.shape[0], labels.shape[1]))
    crossed = _crossed(labels, labels[rows, cols], object_id)
    cuts: dict[int, tuple[Window, Numbered]] = {}
    for crossed_id in crossed:
        window = window_around(labels, crossed_id)
        numbered = _cut(window, crossed_id, rows, cols)
        if numbered.max() > 1:
            cuts[crossed_id] = window, numbered
    if not cuts:
        which = f"object {crossed[0]}" if len(crossed) == 1 else "any object"
        raise EditError(f"The line does not cut {which} through; begin and end it outside.")
    return _split(labels, cuts, new_id)


def _crossed(labels: Labels, ids_on_line: NDArray[np.integer], object_id: int | None) -> list[int]:
    crossed = [int(i) for i in np.unique(ids_on_line) if i > 0]
    if object_id is None and not crossed:
        raise EditError("The line misses every object; draw it across the one to split.")
    if object_id is not None and object_id not in crossed:
        window_around(labels, object_id)  # says so where there is no such object at all
        raise EditError(f"The line misses object {object_id}; draw it across the object.")
    return crossed if object_id is None else [object_id]


def _cut(window: Window, object_id: int, rows: IntArray, cols: IntArray) -> Numbered:
    mask = window.mask(object_id)
    height, width = mask.shape
    near = (rows >= window.top) & (rows < window.top + height) & (cols >= window.left) & (cols < window.left + width)
    uncut = mask.copy()
    uncut[rows[near] - window.top, cols[near] - window.left] = False
    before, count = masks.parts(mask)
    after, piece_count = masks.parts(uncut)
    part_of = np.zeros(piece_count + 1, dtype=np.int64)
    part_of[after[uncut]] = before[uncut]
    numbers, divided = _numbers(np.bincount(after.ravel()), part_of, count)
    numbered = np.where(uncut, numbers[after], 0).astype(np.int32)
    numbered[mask & ~divided[before]] = 1
    return masks.spread(numbered, mask & (numbered == 0))


def _numbers(sizes: IntArray, part_of: IntArray, count: int) -> tuple[IntArray, NDArray[np.bool_]]:
    """Number of each piece (0: a sliver) and which of the ``count`` separate parts fall in two or more."""
    numbers = np.zeros(sizes.size, dtype=np.int64)
    divided = np.zeros(count + 1, dtype=bool)
    following = 2
    for part in range(1, count + 1):
        pieces = np.flatnonzero((part_of == part) & (sizes >= SLIVER_PX))
        divided[part] = pieces.size > 1
        for rank, piece in enumerate(pieces[np.argsort(-sizes[pieces], kind="stable")]):
            numbers[piece] = 1 if rank == 0 else following
            following += rank > 0
    return numbers, divided


def split_automatically(
    labels: Labels, object_id: int, *, parts: int | None = None, new_id: int | None = None
) -> ChangeSet:
    """Cut an object at its necks (distance transform and watershed). The largest part keeps the id.

    Parameters
    ----------
    parts : int or None
        How many; None: one for every bulge behind a clear neck. An object with fewer bulges than asked for is cut
        into equal pieces across its length.
    new_id : int or None
        First id for new parts, see ``free_ids``.

    Raises
    ------
    EditError
        If there is no such object, it has no neck, or it is too small for so many parts.
    """
    if parts is not None and not 2 <= parts <= MAX_PARTS:
        raise EditError(f"The number of parts must lie between 2 and {MAX_PARTS}, not {parts}.")
    window = window_around(labels, object_id)
    mask = window.mask(object_id)
    if parts is not None and np.count_nonzero(mask) < parts * SLIVER_PX:
        raise EditError(f"Object {object_id} is too small for {parts} parts.")
    numbered = parts_by_necks(mask, parts)
    if parts is not None and numbered.max() != parts:
        numbered = equal_slices(mask, parts)
    if numbered.max() < 2:
        raise EditError(f"Object {object_id} has no neck to split at; draw a line or say how many parts.")
    sizes = np.bincount(numbered.ravel())
    order = np.zeros(sizes.size, dtype=np.int32)
    order[np.argsort(-sizes[1:], kind="stable") + 1] = np.arange(1, sizes.size)
    return _split(labels, {object_id: (window, order[numbered])}, new_id)


def _split(labels: Labels, cuts: dict[int, tuple[Window, Numbered]], new_id: int | None) -> ChangeSet:
    total = sum(int(numbered.max()) - 1 for _, numbered in cuts.values())
    ids = iter(free_ids(labels, total, new_id))
    changes = [_part_change(window, i, numbered, ids) for i, (window, numbered) in cuts.items()]
    if len(changes) == 1:
        return changes[0]
    return joined(changes, f"Split {len(changes)} objects into {total + len(changes)}")


def _part_change(window: Window, object_id: int, numbered: Numbered, ids: Iterator[int]) -> ChangeSet:
    count = int(numbered.max())
    part_ids = np.array([0, object_id, *(next(ids) for _ in range(count - 1))], dtype=np.int64)
    new_ids = tuple(part_ids[2:].tolist())
    return window.change(
        np.where(numbered > 0, part_ids[numbered], window.ids),
        f"Split object {object_id} into {count}",
        new_ids=new_ids,
        parents=dict.fromkeys(new_ids, object_id),
    )
