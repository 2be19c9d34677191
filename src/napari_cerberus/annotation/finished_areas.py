"""Finished areas: inside, all that a person left in the layers is right, background too; outside, nothing counts.

Coordinates are image pixels, row before column. A pixel belongs to an area if its centre does; centres lie at whole
numbers, so a rectangle of rows ``y0`` up to (not including) ``y1`` has its corners at ``y0 - 0.5`` and ``y1 - 0.5``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon2mask

from ..errors import DataError

Mask = NDArray[np.bool_]

MAX_CORNERS = 10_000
"""More corners of one area are a damaged file."""
MAX_AREAS = 10_000


@dataclass(frozen=True, kw_only=True)
class FinishedArea:
    """One area that a person called finished.

    Attributes
    ----------
    corners : tuple of (float, float)
        Row and column of three corners or more, in image pixels; they may lie outside of the image.
    tasks : tuple of str
        Keys of the tasks that are right in it, sorted, each once.

    Raises
    ------
    DataError
        If it has fewer than three corners, a corner that is no number, or no task.
    """

    corners: tuple[tuple[float, float], ...]
    tasks: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 3 <= len(self.corners) <= MAX_CORNERS:
            raise DataError(f"A finished area needs 3 to {MAX_CORNERS:,} corners, not {len(self.corners)}.")
        if not all(math.isfinite(value) for corner in self.corners for value in corner):
            raise DataError("A corner of a finished area is no number; draw the area again.")
        if not self.tasks:
            raise DataError("A finished area must name what is right in it: nuclei, glands or lumina.")
        object.__setattr__(self, "tasks", tuple(sorted(set(self.tasks))))

    @classmethod
    def rectangle(cls, y0: int, x0: int, y1: int, x1: int, tasks: Iterable[str]) -> FinishedArea:
        """Rows ``y0`` up to ``y1`` and columns ``x0`` up to ``x1``, the last ones not included.

        Raises
        ------
        DataError
            If it holds no pixel.
        """
        if y1 <= y0 or x1 <= x0:
            raise DataError("A finished area holds no pixel; draw it larger.")
        top, left, bottom, right = y0 - 0.5, x0 - 0.5, y1 - 0.5, x1 - 0.5
        corners = ((top, left), (top, right), (bottom, right), (bottom, left))
        return cls(corners=corners, tasks=tuple(tasks))

    @property
    def box(self) -> tuple[int, int, int, int] | None:
        """Rows and columns ``(y0, x0, y1, x1)`` where it is an upright rectangle of whole pixels, else None."""
        ys, xs = ({corner[axis] for corner in self.corners} for axis in (0, 1))
        if len(self.corners) != 4 or len(ys) != 2 or len(xs) != 2 or len(set(self.corners)) != 4:
            return None
        first, second = self.corners[0], self.corners[2]
        if first[0] == second[0] or first[1] == second[1]:
            return None  # its outline crosses itself
        edges = (min(ys) + 0.5, min(xs) + 0.5, max(ys) + 0.5, max(xs) + 0.5)
        return tuple(map(int, edges)) if all(edge == int(edge) for edge in edges) else None  # type: ignore[return-value]

    def mask(self, shape: tuple[int, int]) -> Mask:
        """Its pixels in an image of ``shape``; what lies over the image's edge is cut off. (H, W) bool array."""
        if self.box is not None:
            y0, x0, y1, x1 = (max(edge, 0) for edge in self.box)
            inside = np.zeros(shape, bool)
            inside[y0:y1, x0:x1] = True
            return inside
        return np.asarray(polygon2mask(shape, np.asarray(self.corners, float)), bool)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {"corners": [list(corner) for corner in self.corners], "tasks": list(self.tasks)}

    @classmethod
    def from_json(cls, data: Any) -> FinishedArea:
        """The inverse of ``to_json``, for an untrusted value.

        Raises
        ------
        DataError
            If it is something else.
        """
        try:
            corners = tuple((float(y), float(x)) for y, x in data["corners"])
            tasks = data["tasks"]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise DataError("A finished area is damaged: it needs fields 'corners' and 'tasks'.") from error
        if not isinstance(tasks, list) or not all(isinstance(task, str) for task in tasks):
            raise DataError("A finished area is damaged: field 'tasks' must be a list of names.")
        return cls(corners=corners, tasks=tuple(tasks))


def areas_from_json(data: Any, where: str) -> tuple[FinishedArea, ...]:
    """Areas that ``to_json`` gave, for an untrusted value. Raises ``DataError``, which names ``where``."""
    if not isinstance(data, list) or len(data) > MAX_AREAS:
        raise DataError(f"{where} is damaged: its finished areas must be a list of at most {MAX_AREAS:,}.")
    try:
        return tuple(FinishedArea.from_json(one) for one in data)
    except DataError as error:
        raise DataError(f"{where} is damaged: {error}") from error


def finished_tasks(areas: Iterable[FinishedArea]) -> tuple[str, ...]:
    """Keys of all tasks that are right anywhere, sorted."""
    return tuple(sorted({task for area in areas for task in area.tasks}))


def finished_masks(areas: Sequence[FinishedArea], shape: tuple[int, int]) -> dict[str, Mask]:
    """Pixels that count, by task: the union of its areas, cut at the image's edge.

    Tasks whose areas all lie outside of the image are left out.
    """
    masks: dict[str, Mask] = {}
    for area in areas:
        inside = area.mask(shape)
        for task in area.tasks:
            masks[task] = masks[task] | inside if task in masks else inside.copy()
    return {task: mask for task, mask in sorted(masks.items()) if mask.any()}


def contradictions(
    first: Mapping[str, NDArray[Any]], second: Mapping[str, NDArray[Any]], both: Mapping[str, Mask]
) -> dict[str, Mask]:
    """Where two answers about one image disagree on what is background, by task.

    Parameters
    ----------
    first, second : mapping of task key to (H, W) integer array
        Labels; numbers of objects need not agree.
    both : mapping of task key to (H, W) bool array
        Where both call themselves finished.

    Returns
    -------
    dict of task key to (H, W) bool array
        Pixels finished by both, an object to one and background to the other; tasks without any are left out.
    """
    found = {
        task: mask & ((first[task] > 0) != (second[task] > 0))
        for task, mask in both.items()
        if task in first and task in second
    }
    return {task: mask for task, mask in found.items() if mask.any()}
