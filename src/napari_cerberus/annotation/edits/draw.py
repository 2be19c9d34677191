"""A new object by a drawn outline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import EditError
from ..label_maps import IntArray, Labels
from .changes import ChangeSet, as_ids
from .raster import as_points, inside_polygon
from .window import check_labels, free_ids


def draw_object(
    labels: Labels,
    outline: Sequence[Sequence[float]] | NDArray[np.floating[Any]],
    *,
    over_others: bool = False,
    new_id: int | None = None,
) -> ChangeSet:
    """Make a new object of a polygon.

    Parameters
    ----------
    outline : (n, 2) floats
        Rows and columns of at least three corners, pixel centres at integers; parts outside the image are cut off.
    over_others : bool
        Take pixels from other objects too; otherwise only background becomes the new object.
    new_id : int or None
        Its id, see ``free_ids``.

    Raises
    ------
    EditError
        If the outline covers no pixel, or only pixels of other objects.
    """
    check_labels(labels)
    corners = as_points(outline, 3, "The outline")
    rows, cols = inside_polygon(corners, (labels.shape[0], labels.shape[1]))
    if rows.size == 0:
        raise EditError("The outline holds no pixel of the image; draw it larger.")
    if not over_others:
        free = labels[rows, cols] == 0
        rows, cols = rows[free], cols[free]
        if rows.size == 0:
            raise EditError("The outline lies wholly on other objects; delete them first or allow drawing over them.")
    return painted(labels, rows, cols, free_ids(labels, 1, new_id)[0], "Drew object {}")


def painted(labels: Labels, rows: IntArray, cols: IntArray, object_id: int, summary: str) -> ChangeSet:
    """The change set that gives pixels to a new object; ``summary`` has one ``{}`` for its id."""
    previous = labels[rows, cols]
    covered, counts = np.unique(previous[previous > 0], return_counts=True)
    gone = [i for i, n in zip(covered.tolist(), counts.tolist(), strict=True) if np.count_nonzero(labels == i) == n]
    return ChangeSet(
        summary=summary.format(object_id),
        indices=(rows, cols),
        values=np.full(rows.size, object_id, dtype=labels.dtype),
        previous=previous,
        new_ids=(object_id,),
        removed_ids=as_ids(gone),
        changed_ids=as_ids(np.setdiff1d(covered, gone)),
    )
