"""The tissue readout: one line of probabilities for the whole image, and a coarse map for larger ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..model.glass import darkest_channel, glass_min
from ..model.spec import STRIDE_PX

TISSUE_SHARE = 0.1
"""A cell with at least this share of pixels darker than glass holds tissue."""
_MAP_MIN_WINDOWS = 3
NO_TISSUE_NOTE = "No tissue was found in the image (it is nearly white); the tissue readout means little."


@dataclass(frozen=True, kw_only=True)
class TissueMap:
    """Tissue probabilities over the image.

    Attributes
    ----------
    classes : tuple of str
    probabilities : (classes, h, w) float32 array
    holds_tissue : (h, w) bool array
        False where the cell is plain glass.
    spacing_px : float
        Image pixels per cell; cell (0, 0) starts at the image's corner.
    """

    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]
    holds_tissue: NDArray[np.bool_]
    spacing_px: float


def tissue_cells(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which cells of 16 px of an (h, w, 3) image on the model grid hold tissue; (ceil(h/16), ceil(w/16)) bool.

    Measured against the image's own glass.
    """
    dark, pixels = cell_sums((darkest_channel(image) < glass_min(image)).astype(np.float32))
    return np.asarray(dark >= TISSUE_SHARE * pixels)


def cell_sums(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Sum, and number of pixels, of each cell of 16 px of an (h, w) array; both (ceil(h/16), ceil(w/16))."""
    edges = [np.arange(0, side, STRIDE_PX) for side in values.shape]
    sums = np.add.reduceat(np.add.reduceat(values, edges[0], axis=0), edges[1], axis=1)
    heights, widths = (np.diff(np.append(edge, side)) for edge, side in zip(edges, values.shape, strict=True))
    return sums, np.outer(heights, widths)


def read_out(
    probabilities: NDArray[np.float32], classes: tuple[str, ...], holds_tissue: NDArray[np.bool_]
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Mean probability of each class over the cells that hold tissue, and notes.

    Parameters
    ----------
    probabilities : (classes, h, w) float32 array
    holds_tissue : (h, w) bool array
        Where none does, all cells count and a note says so.
    """
    notes = () if holds_tissue.any() else (NO_TISSUE_NOTE,)
    cells = holds_tissue if holds_tissue.any() else np.ones_like(holds_tissue)
    means = probabilities[:, cells].mean(axis=1, dtype=np.float64)
    return {name: float(value) for name, value in zip(classes, means, strict=True)}, notes


def deserves_map(cells: tuple[int, int], window_cells: int) -> bool:
    """True for images at least three windows long on their longer side."""
    return max(cells) >= _MAP_MIN_WINDOWS * window_cells
