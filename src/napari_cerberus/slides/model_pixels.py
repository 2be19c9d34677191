"""Pixels of a slide on the grid of the model."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..inference.grid.model_grid import ModelGrid, Window
from ..inference.grid.rescale import axis_weights, weighted
from .slide_files.slide import Slide


def read_model_window(slide: Slide, grid: ModelGrid, window: Window) -> NDArray[np.uint8]:
    """The slide's pixels on a window of the model grid: to the bit those of the whole slide resampled at once."""
    if grid.identical:
        return slide.read(window)
    rows = _weights(0, grid)[window.y0 : window.y1]
    columns = _weights(1, grid)[window.x0 : window.x1]
    top, bottom = int(rows.indices.min()), int(rows.indices.max()) + 1
    left, right = int(columns.indices.min()), int(columns.indices.max()) + 1
    return weighted(slide.read(Window(top, left, bottom, right)), rows[:, top:bottom], columns[:, left:right])


@lru_cache(maxsize=8)
def _weights(axis: int, grid: ModelGrid) -> Any:
    return axis_weights(grid.shape[axis], grid.image_shape[axis], grid, axis)
