"""What finished areas teach on the model grid: classes of pixels, and how much each counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..inference.grid.model_grid import ModelGrid, Window
from ..model.spec import STRIDE_PX, ModelSpec
from ..training.data.targets import instance_target, neighbour_weights

Mask = NDArray[np.bool_]
Labels = NDArray[np.int32]


def task_pixel_size_um(spec: ModelSpec, task: str) -> float:
    """Side of a model pixel, in µm, at which ``task`` is read: the one place that knows."""
    return spec.pixel_size_of(task)


@dataclass(frozen=True, kw_only=True, eq=False)
class Ground:
    """The finished part of one image, for one task, on the model grid padded to multiples of 16 px.

    Attributes
    ----------
    labels : (h, w) int32 array
        Objects; 0 outside of the finished part.
    counted : (h, w) bool array
        The finished part.
    fresh : (h, w) bool array
        What of it no earlier round learned from.
    """

    labels: Labels
    counted: Mask
    fresh: Mask

    @classmethod
    def of(cls, labels: NDArray[Any], counted: Mask, learned: Mask | None, grid: ModelGrid) -> Ground:
        """From labels and masks on the image grid; nothing outside of ``counted`` is looked at."""
        mine = on_model_grid(counted, grid)
        before = np.zeros_like(mine) if learned is None else on_model_grid(learned, grid)
        drawn = np.where(mine, on_model_grid(labels, grid), 0).astype(np.int32)
        return cls(labels=padded(drawn), counted=padded(mine), fresh=padded(mine & ~before))

    def within(self, window: Window) -> Ground:
        """A part of it, as an image of its own."""
        cut = window.slices
        return Ground(labels=self.labels[cut], counted=self.counted[cut], fresh=self.fresh[cut])

    def teaching(self, part: Mask, task: str, pixel_size_um: float) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Classes and weights of pixels, both (h, w), where only ``part`` of the image is known."""
        drawn = np.where(part, self.labels, 0).astype(np.int32)
        target = instance_target(continued(drawn, part), task, pixel_size_um)
        weights = np.where(part, neighbour_weights(drawn, task, pixel_size_um), 0).astype(np.float32)
        return target, weights


def objects_in(labels: Labels, part: Mask) -> int:
    """Number of objects, whole or cut, in a part of an image."""
    return len(np.setdiff1d(labels[part], [0]))


def on_model_grid(array: NDArray[Any], grid: ModelGrid) -> NDArray[Any]:
    """An array of the image grid, read at the centres of the model's pixels."""
    if grid.identical:
        return array
    rows, columns = (
        np.clip(np.rint(grid.to_image(np.arange(side, dtype=np.float64), axis)), 0, limit - 1).astype(np.intp)
        for axis, (side, limit) in enumerate(zip(grid.shape, array.shape, strict=True))
    )
    return array[np.ix_(rows, columns)]


def padded(array: NDArray[Any]) -> NDArray[Any]:
    """Zeros added below and to the right, up to multiples of 16 px."""
    return np.pad(array, [(0, -side % STRIDE_PX) for side in array.shape])


def continued(labels: Labels, counted: Mask) -> Labels:
    """Labels that, outside of ``counted``, repeat the nearest ones inside: a cut object gets no contour at the cut."""
    if counted.all() or not counted.any():
        return labels
    nearest = ndimage.distance_transform_edt(~counted, return_distances=False, return_indices=True)
    return np.asarray(labels[tuple(nearest)])


def halves(part: Mask, objects: Mask) -> tuple[Mask, Mask]:
    """A part of an image cut in two across its longer side, so that both halves hold as much of its objects."""
    places = np.nonzero(part & objects if (part & objects).any() else part)
    if not len(places[0]):
        return part, part
    extent = [np.ptp(axis) for axis in np.nonzero(part)]
    axis = int(extent[0] < extent[1])
    position = np.arange(part.shape[axis])
    before = (position <= np.median(places[axis])).reshape((-1, 1) if axis == 0 else (1, -1))
    return part & before, part & ~before
