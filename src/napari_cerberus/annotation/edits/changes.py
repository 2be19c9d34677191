"""The change set: what one correction does, before it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import EditError
from ..label_maps import IntArray, Labels, present_ids

Features = Mapping[int, Mapping[str, Any]]
"""Cells of the object table: ``{id: {column: value}}``."""


def _no_pixels() -> tuple[IntArray, IntArray]:
    return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class ChangeSet:
    """Pixels and table cells that one correction of one label map changes. True where there is any.

    Attributes
    ----------
    indices : tuple of two (n,) int64 arrays
        Rows and columns of the changed pixels, each pixel once.
    values, previous : (n,) integer arrays, dtype of the labels
        Ids after and before; they differ at every pixel.
    summary : str
        For the user, in the past tense: "Split object 12 into 3".
    new_ids, removed_ids, changed_ids : tuple of int
        Objects that appear, vanish, or keep their id with other pixels. Ascending.
    parents : mapping of int to int
        For a new id, the object it came from, whose class it inherits.
    features, previous_features : mapping
        Table cells after and before, ``{id: {column: value}}``.
    model_change : ChangeSet or None
        Re-runs only: what changes in the map of the model's last result.
    """

    summary: str
    indices: tuple[IntArray, IntArray] = field(default_factory=_no_pixels)
    values: NDArray[np.integer[Any]] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    previous: NDArray[np.integer[Any]] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    new_ids: tuple[int, ...] = ()
    removed_ids: tuple[int, ...] = ()
    changed_ids: tuple[int, ...] = ()
    parents: Mapping[int, int] = field(default_factory=dict)
    features: Features = field(default_factory=dict)
    previous_features: Features = field(default_factory=dict)
    model_change: ChangeSet | None = None

    def __bool__(self) -> bool:
        return self.changed_px > 0 or bool(self.features) or bool(self.model_change)

    @property
    def changed_px(self) -> int:
        """Number of pixels that change."""
        return int(self.values.size)

    @property
    def ids(self) -> tuple[int, ...]:
        """Every object this touches, ascending."""
        return tuple(sorted({*self.new_ids, *self.removed_ids, *self.changed_ids, *self.features}))

    def inverse(self) -> ChangeSet:
        """The change set that takes this one back."""
        return ChangeSet(
            summary=f"Undid: {self.summary}",
            indices=self.indices,
            values=self.previous,
            previous=self.values,
            new_ids=self.removed_ids,
            removed_ids=self.new_ids,
            changed_ids=self.changed_ids,
            features=self.previous_features,
            previous_features=self.features,
            model_change=None if self.model_change is None else self.model_change.inverse(),
        )

    def applied(self, labels: Labels) -> Labels:
        """A changed copy of ``labels``."""
        after = labels.copy()
        after[self.indices] = self.values
        return after


def difference(before: Labels, after: Labels, summary: str) -> ChangeSet:
    """The change set that turns one label map into another, whatever made it.

    Raises
    ------
    EditError
        If the shapes differ.
    """
    if before.shape != after.shape:
        raise EditError(f"Label maps of {before.shape} and {after.shape} pixels cannot be compared.")
    rows, cols = np.nonzero(before != after)
    old, new = before[rows, cols], after[rows, cols]
    touched = [present_ids(old), present_ids(new)]
    lost = _missing(touched[0], touched[1], after)
    gained = _missing(touched[1], touched[0], before)
    return ChangeSet(
        summary=summary,
        indices=(rows, cols),
        values=new.astype(before.dtype),
        previous=old,
        new_ids=as_ids(gained),
        removed_ids=as_ids(lost),
        changed_ids=as_ids(np.setdiff1d(np.concatenate(touched), np.concatenate([lost, gained]))),
    )


def joined(changes: Sequence[ChangeSet], summary: str) -> ChangeSet:
    """Several change sets of different pixels and different objects as one."""
    if not changes:
        return ChangeSet(summary=summary)
    rows, cols = zip(*(change.indices for change in changes), strict=True)
    return ChangeSet(
        summary=summary,
        indices=(np.concatenate(rows), np.concatenate(cols)),
        values=np.concatenate([change.values for change in changes]),
        previous=np.concatenate([change.previous for change in changes]),
        new_ids=tuple(sorted(i for change in changes for i in change.new_ids)),
        removed_ids=tuple(sorted(i for change in changes for i in change.removed_ids)),
        changed_ids=tuple(sorted(i for change in changes for i in change.changed_ids)),
        parents={new: old for change in changes for new, old in change.parents.items()},
    )


def as_ids(ids: Any) -> tuple[int, ...]:
    """Distinct ids as a sorted tuple of plain ints."""
    return tuple(int(i) for i in np.unique(ids))


def _missing(candidates: IntArray, certain: IntArray, labels: Labels) -> IntArray:
    """Of ``candidates``, those that are nowhere in ``labels``; ``certain`` are known to be there."""
    open_ids = np.setdiff1d(candidates, certain)
    if open_ids.size > 6:  # above this, one pass that lists every id is cheaper than one pass an id
        return np.setdiff1d(open_ids, present_ids(labels))
    return np.array([i for i in open_ids if not (labels == i).any()], dtype=np.int64)
