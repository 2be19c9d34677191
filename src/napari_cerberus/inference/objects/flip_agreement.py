"""Does the model find an object again when the picture is flipped? Agreement, as a part of confidence.

An outline that is there for a reason is found whichever way the picture lies; one that hangs on a coincidence of pixels
is not. The picture is read three more times, mirrored left to right, top to bottom, and both, which is exact: no pixel
is resampled. Nothing is drawn at random, so the same picture and model give the same agreement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ...progress import Job, Progress
from .structuring import Labels

FLIPS: tuple[tuple[int, ...], ...] = ((1,), (0,), (0, 1))
"""Axes that are mirrored, a flip each."""

Result = TypeVar("Result")
Pixels = TypeVar("Pixels", bound=np.generic)


def flipped(pixels: NDArray[Pixels], axes: tuple[int, ...]) -> NDArray[Pixels]:
    """A mirrored copy of rows and columns; the same flip brings it back."""
    return np.ascontiguousarray(np.flip(pixels, axes))


def staged(job: Job[Result], stage: str) -> Job[Result]:
    """The same job, its steps under another name."""
    while True:
        try:
            step = next(job)
        except StopIteration as end:
            result: Result = end.value
            return result
        yield Progress(stage, step.done, step.total, message=step.message)


def agreement(labels: Labels, others: Sequence[Labels]) -> NDArray[np.float64]:
    """How well each object is found again, (n,), 0..1: the mean, over other readings, of its best IoU in them.

    Parameters
    ----------
    labels : (h, w) int32 array
        Ids 1..n without gaps.
    others : sequence of (h, w) int32 arrays
        Objects of the other readings, brought back to the same place; at least one.
    """
    return np.asarray(np.mean([_best_iou(labels, other) for other in others], axis=0))


def of_task(readings: Sequence[Mapping[str, Labels]], task: str) -> list[Labels]:
    """The labels of one task in every reading."""
    return [reading[task] for reading in readings]


def _best_iou(labels: Labels, other: Labels) -> NDArray[np.float64]:
    areas, other_areas = np.bincount(labels.ravel()), np.bincount(other.ravel())
    both = (labels > 0) & (other > 0)
    keys, shared = np.unique(labels[both].astype(np.int64) * other_areas.size + other[both], return_counts=True)
    first, second = np.divmod(keys, other_areas.size)
    best = np.zeros(areas.size)
    np.maximum.at(best, first, shared / (areas[first] + other_areas[second] - shared))
    return best[1:]
