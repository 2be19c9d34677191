"""What every part of this room asks of label maps: which ids, how large, and how two maps overlap.

A label map is an ``(H, W)`` integer array; pixels above 0 belong to the object of that number. Ids may be sparse and
as large as the dtype allows, so nothing here allocates by the largest id alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.integer[Any]]
IntArray = NDArray[np.int64]

_DENSE_IDS = 1 << 24
"""Largest id for which a lookup table by id is made (16 million entries)."""

_FEW_IDS = 6
"""Up to so many ids, one comparison an id is cheaper than one pass that counts all."""


def compact(labels: Labels) -> tuple[IntArray, NDArray[np.int32]]:
    """Ids of a label map, and the map renumbered by their order.

    Parameters
    ----------
    labels : (H, W) integer array

    Returns
    -------
    ids : (n,) int64 array
        Ascending, without the background.
    renumbered : (H, W) int32 array
        ``k + 1`` where ``labels`` is ``ids[k]``, else 0.
    """
    top = int(labels.max(initial=0))
    if _is_sparse(labels):
        ids, inverse = np.unique(np.maximum(labels, 0), return_inverse=True)
        first = int(ids.size > 0 and ids[0] == 0)
        return ids[first:].astype(np.int64), (inverse.reshape(labels.shape) + (1 - first)).astype(np.int32)
    clean = labels if int(labels.min(initial=0)) >= 0 else np.maximum(labels, 0)
    present = np.zeros(top + 1, dtype=bool)
    present[clean.ravel()] = True
    present[0] = False
    ids = np.flatnonzero(present)
    if ids.size == top and labels.dtype == np.int32:
        return ids, clean.astype(np.int32, copy=False)
    table = np.zeros(top + 1, dtype=np.int32)
    table[ids] = np.arange(1, ids.size + 1, dtype=np.int32)
    return ids, table[clean]


def present_ids(labels: Labels) -> IntArray:
    """Ids of the objects in a label map, ascending, without the background."""
    if _is_sparse(labels):
        ids = np.unique(labels)
        return ids[ids > 0].astype(np.int64)
    present = np.zeros(int(labels.max(initial=0)) + 1, dtype=bool)
    present[np.maximum(labels, 0).ravel()] = True
    present[0] = False
    return np.flatnonzero(present)


def areas_px(labels: Labels) -> tuple[IntArray, IntArray]:
    """Ids (ascending) and their pixel counts."""
    if _is_sparse(labels):
        ids, renumbered = compact(labels)
        return ids, np.bincount(renumbered.ravel(), minlength=ids.size + 1)[1:].astype(np.int64)
    counts = np.bincount(np.maximum(labels, 0).ravel(), minlength=1)
    counts[0] = 0
    ids = np.flatnonzero(counts)
    return ids, counts[ids].astype(np.int64)


def _is_sparse(labels: Labels) -> bool:
    """Are the ids so large that a table by id would be larger than the image?"""
    return int(labels.max(initial=0)) > max(_DENSE_IDS, labels.size)


@dataclass(frozen=True, kw_only=True)
class Overlaps:
    """Objects of two label maps of one shape, and the pixels that each pair shares.

    Attributes
    ----------
    ids_a, ids_b : (n,), (m,) int64 arrays
        Ascending.
    areas_a, areas_b : (n,), (m,) int64 arrays
        Pixel counts.
    pairs : (k, 2) int64 array
        Positions in ``ids_a`` and ``ids_b`` of the pairs that share at least one pixel.
    shared : (k,) int64 array
        Pixels of each pair.
    """

    ids_a: IntArray
    ids_b: IntArray
    areas_a: IntArray
    areas_b: IntArray
    pairs: IntArray
    shared: IntArray

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each pair."""
        union = self.areas_a[self.pairs[:, 0]] + self.areas_b[self.pairs[:, 1]] - self.shared
        return self.shared / union

    @property
    def share_of_a(self) -> NDArray[np.float64]:
        """Share of each pair's first object that lies in its second."""
        return self.shared / self.areas_a[self.pairs[:, 0]]

    @property
    def share_of_b(self) -> NDArray[np.float64]:
        """Share of each pair's second object that lies in its first."""
        return self.shared / self.areas_b[self.pairs[:, 1]]


def overlaps(a: Labels, b: Labels) -> Overlaps:
    """Compare two label maps of one shape object by object, in one pass."""
    ids_a, compact_a = compact(a)
    ids_b, compact_b = compact(b)
    both = (compact_a > 0) & (compact_b > 0)
    keys, shared = np.unique(compact_a[both].astype(np.int64) * (ids_b.size + 1) + compact_b[both], return_counts=True)
    return Overlaps(
        ids_a=ids_a,
        ids_b=ids_b,
        areas_a=np.bincount(compact_a.ravel(), minlength=ids_a.size + 1)[1:].astype(np.int64),
        areas_b=np.bincount(compact_b.ravel(), minlength=ids_b.size + 1)[1:].astype(np.int64),
        pairs=np.stack([keys // (ids_b.size + 1), keys % (ids_b.size + 1)], axis=1) - 1,
        shared=shared.astype(np.int64),
    )


def same_pixels(a: Labels, b: Labels, ids: IntArray) -> NDArray[np.bool_]:
    """For each id: has it exactly the same pixels, and any, in both label maps?"""
    if ids.size <= _FEW_IDS:
        masks = ((a == i, b == i) for i in ids)
        return np.array([bool(in_a.any()) and np.array_equal(in_a, in_b) for in_a, in_b in masks], dtype=bool)
    counts = [_counts_of(ids, *areas_px(part)) for part in (a, b, np.where(a == b, a, 0))]
    same: NDArray[np.bool_] = (counts[2] > 0) & (counts[0] == counts[2]) & (counts[1] == counts[2])
    return same


def _counts_of(ids: IntArray, present: IntArray, counts: IntArray) -> IntArray:
    position = np.minimum(np.searchsorted(present, ids), max(present.size - 1, 0))
    if present.size == 0:
        return np.zeros(ids.size, dtype=np.int64)
    return np.where(present[position] == ids, counts[position], 0)


def dice(a: Labels, b: Labels) -> float:
    """Dice coefficient of the foregrounds, 2|A∩B| / (|A|+|B|); 1 where both are empty."""
    in_a, in_b = a > 0, b > 0
    size = int(np.count_nonzero(in_a)) + int(np.count_nonzero(in_b))
    return 1.0 if size == 0 else 2 * int(np.count_nonzero(in_a & in_b)) / size
