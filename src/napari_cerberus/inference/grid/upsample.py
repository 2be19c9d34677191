"""Instance labels from the model grid back to the image grid, with smooth outlines and no object lost.

At the centres of model pixels the result is the model's own partition. Between them the outline follows the zero line
of a *level* that is interpolated linearly: foreground probability minus threshold where that agrees with the labels.
Where two objects touch, the one with the larger interpolated share gets the pixel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...progress import Job, Progress
from ..objects.structuring import Labels, keep_ids
from .model_grid import ModelGrid, Window

Level = NDArray[np.float32]

_LARGEST_LEVEL = 0.5
_UNKNOWN_LEVEL = 0.25
"""Level of pixels that the labels took against the probability (filled holes, dropped specks), either sign."""
_BAND_PIXELS = 1 << 22


def agreeing_level(labels: Labels, level: Level | None) -> Level:
    """``level`` made positive inside the labels and negative outside of them, at most 0.5 in size; (h, w) float32."""
    inside = labels > 0
    if level is None:
        return np.where(inside, _UNKNOWN_LEVEL, -_UNKNOWN_LEVEL).astype(np.float32)
    agreed = np.clip(level, -_LARGEST_LEVEL, _LARGEST_LEVEL).astype(np.float32)
    agreed[inside & (level <= 0)] = _UNKNOWN_LEVEL
    agreed[~inside & (level >= 0)] = -_UNKNOWN_LEVEL
    return agreed


def to_image_grid(
    labels: Labels,
    level: Level | None,
    grid: ModelGrid,
    stage: str = "Drawing outlines",
    *,
    part: tuple[Window, Window] | None = None,
) -> Job[Labels]:
    """Draw instance labels on the image grid.

    Parameters
    ----------
    labels : (h, w) int32 array
        On the model grid, ids 1..n.
    level : (h, w) float32 array, optional
        Foreground probability minus its threshold, on the model grid; without it outlines run midway.
    grid : ModelGrid
    stage : str
        Name of the work in the progress.
    part : (Window, Window), optional
        Where ``labels`` are a part of the model grid: that part, and the part of the image to draw.

    Yields
    ------
    Progress
        After each band of rows.

    Returns
    -------
    (H, W) int32 array
        The same ids. Where the image has larger pixels than the model, objects that share their only pixel cannot
        all be kept; otherwise every id is there.
    """
    if grid.identical:
        yield Progress(stage, 1, 1)
        return labels.copy()
    whole = Window(0, 0, *labels.shape), Window(0, 0, *grid.image_shape)
    here, there = part or whole
    height, width = there.shape
    level = agreeing_level(labels, level)
    drawn = np.zeros((height, width), np.int32)
    columns = _Axis.of(grid, np.arange(there.x0, there.x1), labels.shape[1], here.x0, axis=1)
    step = max(1, _BAND_PIXELS // width)
    for start in range(0, height, step):
        stop = min(start + step, height)
        rows = _Axis.of(grid, np.arange(there.y0 + start, there.y0 + stop), labels.shape[0], here.y0)
        _draw_band(labels, level, rows, columns, drawn[start:stop])
        yield Progress(stage, stop, height)
    _put_back_lost(labels, grid, drawn, here, there)
    return drawn


class _Axis:
    """Image pixels along one axis: the model pixels before and after each, and the weight of the latter."""

    def __init__(self, before: NDArray[np.intp], after: NDArray[np.intp], weight: NDArray[np.float32]) -> None:
        self.before, self.after, self.weight = before, after, weight

    @classmethod
    def of(cls, grid: ModelGrid, pixels: NDArray[np.intp], model_side: int, first: int = 0, axis: int = 0) -> _Axis:
        """Neighbours of image ``pixels``; beyond the outermost centres both are the outermost pixel.

        ``first`` is the model pixel that is counted as 0.
        """
        place = np.clip(grid.to_model(pixels.astype(np.float64), axis) - first, 0.0, model_side - 1.0)
        before = np.minimum(np.floor(place).astype(np.intp), max(model_side - 2, 0))
        after = np.minimum(before + 1, model_side - 1)
        return cls(before, after, (place - before).astype(np.float32))


def _draw_band(labels: Labels, level: Level, rows: _Axis, columns: _Axis, out: Labels) -> None:
    """Fill some rows; only pixels whose four neighbours differ need any arithmetic."""
    corner = labels[np.ix_(rows.before, columns.before)]
    mixed = np.zeros(out.shape, bool)
    for row, column in (
        (rows.before, columns.after),
        (rows.after, columns.before),
        (rows.after, columns.after),
    ):
        mixed |= labels[np.ix_(row, column)] != corner
    out[:] = corner
    y, x = np.nonzero(mixed)
    across = np.stack([columns.before[x], columns.after[x]] * 2)
    down = np.stack([rows.before[y], rows.before[y], rows.after[y], rows.after[y]])
    right, below = columns.weight[x], rows.weight[y]
    weights = np.stack([(1 - below) * (1 - right), (1 - below) * right, below * (1 - right), below * right])
    inside = (weights * level[down, across]).sum(axis=0) > 0
    out[y, x] = np.where(inside, _largest_share(labels[down, across], weights), 0)


def _largest_share(ids: NDArray[np.int32], weights: NDArray[np.float32]) -> NDArray[np.int32]:
    """The object with the largest summed weight in each column of (4, n) ``ids``; background never wins."""
    shares = np.stack([(weights * (ids == ids[k])).sum(axis=0) for k in range(4)])
    shares[ids == 0] = -1.0
    return np.asarray(ids[shares.argmax(axis=0), np.arange(ids.shape[1])])


def _put_back_lost(labels: Labels, grid: ModelGrid, drawn: Labels, here: Window, there: Window) -> None:
    """Give each object that lost all its pixels the image pixels nearest to its model pixels."""
    count = int(labels.max(initial=0))
    present = np.bincount(drawn.ravel(), minlength=count + 1)
    lost = (present == 0) & (np.bincount(labels.ravel(), minlength=count + 1) > 0)
    lost[0] = False
    if not lost.any():
        return
    y, x = np.nonzero(lost[labels])
    rows, columns = (
        np.rint(grid.to_image(places.astype(np.float64), axis) - first).clip(0, drawn.shape[axis] - 1).astype(np.intp)
        for axis, (places, first) in enumerate(((y + here.y0, there.y0), (x + here.x0, there.x0)))
    )
    for row, column, index in zip(rows, columns, labels[y, x], strict=True):
        owner = drawn[row, column]
        if owner == 0 or present[owner] > 1:
            drawn[row, column] = index
            present[owner] -= 1
            present[index] += 1


def numbered_alike(*maps: Labels) -> list[Labels]:
    """The same objects on several grids, those missing from any of them left out, renumbered 1..n alike."""
    count = max(int(labels.max(initial=0)) for labels in maps)
    keep = np.ones(count + 1, bool)
    for labels in maps:
        keep &= np.bincount(labels.ravel(), minlength=count + 1) > 0
    return [keep_ids(labels, keep) for labels in maps]
