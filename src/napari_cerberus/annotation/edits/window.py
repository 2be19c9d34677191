"""Finding one object and working in its bounding box only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import EditError
from ..label_maps import IntArray, Labels
from .changes import ChangeSet, as_ids

Mask = NDArray[np.bool_]

OUTSIDE = -1
"""Value of window pixels that lie beyond the image: neither free nor part of an object."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """A rectangle of a label map around an object, with a margin that may reach over the image's edge.

    Attributes
    ----------
    top, left : int
        Image row and column of the window's first pixel; may be negative.
    ids : (h, w) int64 array
        Copy of the labels there; ``OUTSIDE`` beyond the image.
    dtype : numpy dtype
        The label map's.
    """

    top: int
    left: int
    ids: IntArray
    dtype: np.dtype[Any]

    def mask(self, object_id: int) -> Mask:
        """Pixels of an object."""
        mask: Mask = self.ids == object_id
        return mask

    @property
    def free(self) -> Mask:
        """Background pixels of the image."""
        free: Mask = self.ids == 0
        return free

    def change(
        self,
        after: IntArray,
        summary: str,
        *,
        new_ids: tuple[int, ...] = (),
        removed_ids: tuple[int, ...] = (),
        parents: Mapping[int, int] | None = None,
    ) -> ChangeSet:
        """The change set that makes this rectangle look like ``after``, an array like ``ids``."""
        rows, cols = np.nonzero(after != self.ids)
        old, new = self.ids[rows, cols], after[rows, cols]
        touched = set(np.unique(np.concatenate([old, new])).tolist()) - {0, *new_ids, *removed_ids}
        return ChangeSet(
            summary=summary,
            indices=(rows + self.top, cols + self.left),
            values=new.astype(self.dtype),
            previous=old.astype(self.dtype),
            new_ids=tuple(sorted(new_ids)),
            removed_ids=tuple(sorted(removed_ids)),
            changed_ids=as_ids(list(touched)),
            parents=parents or {},
        )

    def reshaped(self, object_id: int, mask: Mask, summary: str, nothing: str) -> ChangeSet:
        """The change that gives ``object_id`` the pixels ``mask``, or an empty one that says ``nothing``."""
        before = self.mask(object_id)
        if np.array_equal(before, mask):
            return ChangeSet(summary=nothing)
        after = np.where(before, 0, self.ids)
        after[mask] = object_id
        return self.change(after, summary)


def window_at(labels: Labels, top: int, left: int, bottom: int, right: int) -> Window:
    """The window of rows ``top..bottom`` and columns ``left..right`` (half-open; may reach over the edge)."""
    height, width = labels.shape
    ids = np.full((bottom - top, right - left), OUTSIDE, dtype=np.int64)
    y0, y1, x0, x1 = max(top, 0), min(bottom, height), max(left, 0), min(right, width)
    ids[y0 - top : y1 - top, x0 - left : x1 - left] = labels[y0:y1, x0:x1]
    return Window(top=top, left=left, ids=ids, dtype=labels.dtype)


def window_around(labels: Labels, object_id: int, margin_px: int = 1) -> Window:
    """The bounding box of an object with a margin.

    Raises
    ------
    EditError
        If there is no such object.
    """
    rows, cols = pixels_of(labels, object_id)
    return window_at(
        labels,
        int(rows.min()) - margin_px,
        int(cols.min()) - margin_px,
        int(rows.max()) + 1 + margin_px,
        int(cols.max()) + 1 + margin_px,
    )


def pixels_of(labels: Labels, object_id: int) -> tuple[IntArray, IntArray]:
    """Rows and columns of an object, in reading order.

    Raises
    ------
    EditError
        If ``labels`` is not a 2-D integer map or there is no such object.
    """
    check_labels(labels)
    if object_id <= 0:
        raise EditError("There is no object here: click on one.")
    flat = np.flatnonzero(labels == object_id)
    if flat.size == 0:
        raise EditError(f"There is no object {object_id} in this layer; it may have been deleted or merged.")
    return flat // labels.shape[1], flat % labels.shape[1]


def check_labels(labels: Labels) -> None:
    """Raise ``EditError`` unless ``labels`` is a 2-D integer array."""
    if not isinstance(labels, np.ndarray) or labels.ndim != 2 or labels.dtype.kind not in "iu":
        raise EditError("This tool needs a two-dimensional layer of whole-number labels.")


def free_ids(labels: Labels, count: int, first: int | None = None) -> tuple[int, ...]:
    """``count`` ids that no object has.

    Parameters
    ----------
    first : int or None
        The lowest to use; by default one above the highest in ``labels``. Pass one above the highest ever used
        where ids of deleted objects must not come back.

    Raises
    ------
    EditError
        If the layer's number type has no room for them, or one of them is in use.
    """
    check_labels(labels)
    top = int(labels.max(initial=0))
    first = max(top, 0) + 1 if first is None else first
    if first <= top and np.isin(np.arange(first, first + count), labels).any():
        raise EditError(f"Object number {first} is already in use; choose one above {top}.")
    if first < 1 or first + count - 1 > np.iinfo(labels.dtype).max:
        raise EditError(f"This layer's numbers ({labels.dtype}) are used up; convert it to int32 first.")
    return tuple(range(first, first + count))
