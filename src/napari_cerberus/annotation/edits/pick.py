"""From the mouse to objects: what is under a click, what is inside a lasso."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import EditError
from ..label_maps import Labels, areas_px
from .changes import as_ids
from .raster import as_points, inside_polygon


def nearest_pixel(labels: Labels, point: Sequence[float]) -> tuple[int, int]:
    """The pixel that a point (row, column) lies in.

    Raises
    ------
    EditError
        If it lies outside the image.
    """
    position = as_points([point], 1, "The click")[0]
    row, col = (int(v) for v in np.floor(position + 0.5))
    if not (0 <= row < labels.shape[0] and 0 <= col < labels.shape[1]):
        raise EditError("The click is outside the image.")
    return row, col


def object_at(labels: Labels, point: Sequence[float]) -> int:
    """Id of the object under a point, 0 on background.

    Raises
    ------
    EditError
        If the point lies outside the image.
    """
    return int(labels[nearest_pixel(labels, point)])


def objects_in(
    labels: Labels,
    lasso: Sequence[Sequence[float]] | NDArray[np.floating[Any]],
    *,
    least_share: float = 0.5,
) -> tuple[int, ...]:
    """Ids of the objects of which at least ``least_share`` lies inside a lassoed polygon.

    Raises
    ------
    EditError
        If the lasso has fewer than three corners.
    """
    rows, cols = inside_polygon(as_points(lasso, 3, "The lasso"), (labels.shape[0], labels.shape[1]))
    ids, inside = np.unique(labels[rows, cols], return_counts=True)
    ids, inside = ids[ids > 0], inside[ids > 0]
    all_ids, all_areas = areas_px(labels)
    return as_ids(ids[inside >= least_share * all_areas[np.searchsorted(all_ids, ids)]])
