"""The image on the model grid: the antialiased bilinear filter that training uses (torchvision's ``resize``).

Shrinking averages over the area of a model pixel and half of its neighbours, enlarging interpolates linearly. Both
keep pixel centres where they are, and the scale is exact: it is not bent to make the sides whole numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .model_grid import ModelGrid

_BAND_ROWS = 256


def to_model_grid(rgb: NDArray[np.uint8], grid: ModelGrid) -> NDArray[np.uint8]:
    """Resample an image; where the grids are one it is returned as it is.

    Parameters
    ----------
    rgb : (H, W, 3) uint8 array
        On the image grid; ``(H, W)`` is ``grid.image_shape``.

    Returns
    -------
    (h, w, 3) uint8 array
        On the model grid; besides it, a band of rows in float32 is held.
    """
    if grid.identical:
        return rgb
    height, width = grid.shape
    return weighted(rgb, axis_weights(height, rgb.shape[0], grid), axis_weights(width, rgb.shape[1], grid, 1))


def weighted(rgb: NDArray[np.uint8], rows: sparse.csr_matrix, columns: sparse.csr_matrix) -> NDArray[np.uint8]:
    """(h, w, 3) model pixels from (H, W, 3) image pixels and the weights (h, H) and (w, W) of the two axes."""
    height, width = rows.shape[0], columns.shape[0]
    result = np.empty((height, width, 3), np.uint8)
    for start in range(0, height, _BAND_ROWS):
        band = rows[start : start + _BAND_ROWS]
        first, stop = int(band.indices.min()), int(band.indices.max()) + 1
        source = rgb[first:stop].reshape(stop - first, -1).astype(np.float32)
        shrunk = (band[:, first:stop] @ source).reshape(band.shape[0], rgb.shape[1], 3)
        across = columns @ shrunk.transpose(1, 0, 2).reshape(rgb.shape[1], -1)
        pixels = across.reshape(width, band.shape[0], 3).transpose(1, 0, 2)
        result[start : start + _BAND_ROWS] = np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)
    return result


def axis_weights(model_side: int, image_side: int, grid: ModelGrid, axis: int = 0) -> sparse.csr_matrix:
    """Weights (model_side, image_side) of the image pixels in each model pixel along one axis; rows sum to 1.

    A triangle as wide as two model pixels, or two image pixels where those are larger, cut at the image's edge.
    """
    support = max(grid.scales[axis], 1.0)
    centre = grid.to_image(np.arange(model_side, dtype=np.float64), axis)
    # The last model pixel may stick out: its centre can lie up to half a model pixel beyond the last image pixel.
    centre = np.clip(centre, 0.0, image_side - 1.0)
    reach = int(np.ceil(support))
    nearest = np.floor(centre).astype(np.int64)[:, None] + np.arange(-reach, reach + 2)
    weight = np.maximum(0.0, 1.0 - np.abs(nearest - centre[:, None]) / support)
    weight[(nearest < 0) | (nearest >= image_side)] = 0.0
    weight /= weight.sum(axis=1, keepdims=True)
    used = weight > 0
    row = np.broadcast_to(np.arange(model_side)[:, None], weight.shape)[used]
    return sparse.csr_matrix(
        (weight[used].astype(np.float32), (row, nearest[used])),
        shape=(model_side, image_side),
        dtype=np.float32,
    )
