"""What finished areas teach on the model grid: classes of pixels, and how much each counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..inference.grid import ModelGrid
from ..training.targets import instance_target, neighbour_weights

Mask = NDArray[np.bool_]
Labels = NDArray[np.int32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Ground:
    """The finished part of one image, for one task, on the model grid.

    Attributes
    ----------
    labels : (h, w) int32 array
        Objects; 0 outside of the finished part.
    counted : (h, w) bool array
        The finished part.
    target : (h, w) uint8 array
        Background, inner, contour.
    weights : (h, w) float32 array
        0 outside of the finished part.
    """

    labels: Labels
    counted: Mask
    target: NDArray[np.uint8]
    weights: NDArray[np.float32]

    @classmethod
    def of(
        cls, labels: NDArray[np.integer], counted: Mask, grid: ModelGrid, task: str, pixel_size_um: float
    ) -> Ground:
        """From labels and a finished mask on the image grid; nothing outside of the mask is looked at."""
        mine = on_model_grid(counted, grid)
        drawn = np.where(mine, on_model_grid(labels, grid), 0).astype(np.int32)
        return cls(
            labels=drawn,
            counted=mine,
            target=instance_target(continued(drawn, mine), task, pixel_size_um),
            weights=np.where(mine, neighbour_weights(drawn, task, pixel_size_um), 0).astype(np.float32),
        )

    @property
    def objects(self) -> int:
        """Number of objects, whole or cut."""
        return len(np.setdiff1d(self.labels, [0]))


def on_model_grid(array: NDArray, grid: ModelGrid) -> NDArray:
    """An array of the image grid at the centres of the model's pixels."""
    if grid.identical:
        return array
    rows, columns = (
        np.clip(np.rint(grid.to_image(np.arange(side, dtype=np.float64))), 0, limit - 1).astype(np.intp)
        for side, limit in zip(grid.shape, array.shape, strict=True)
    )
    return array[np.ix_(rows, columns)]


def continued(labels: Labels, counted: Mask) -> Labels:
    """Labels whose pixels outside of ``counted`` repeat the nearest one inside: an object that is cut gets no contour
    along the cut."""
    if counted.all() or not counted.any():
        return labels
    nearest = ndimage.distance_transform_edt(~counted, return_distances=False, return_indices=True)
    return np.asarray(labels[tuple(nearest)])
