"""An image as one vector: what the encoder sees in its tissue, on average. Compared by ``model.reference_tiles``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..model.spec import STRIDE_PX
from .grid.model_grid import Tile


class EmbeddingSum:
    """Adds up the deepest features of an image tile by tile, over the cells that hold tissue.

    Parameters
    ----------
    holds_tissue : (h, w) bool array or None
        None: nothing is added, and there is no mean.
    """

    def __init__(self, holds_tissue: NDArray[np.bool_] | None) -> None:
        self._holds = holds_tissue
        self._sum: NDArray[np.float64] | None = None
        self._count = 0

    def part(self, deepest: Tensor, tile: Tile) -> tuple[NDArray[np.float64], int]:
        """Sum and number of the cells with tissue in one tile: deepest features (1, channels, h, w) of its window."""
        if self._holds is None:
            return np.zeros(1), 0
        cells = tile.valid.coarser(STRIDE_PX)
        valid = deepest[(0, ..., *cells.inside(tile.window.coarser(STRIDE_PX)).slices)]
        inside = valid.float().cpu().numpy()[:, self._holds[cells.slices]]
        return inside.sum(axis=1, dtype=np.float64), inside.shape[1]

    def add(self, part: tuple[NDArray[np.float64], int]) -> None:
        """Count what ``part`` gave, once."""
        self._sum = part[0] if self._sum is None else self._sum + part[0]
        self._count += part[1]

    def mean(self) -> NDArray[np.float32] | None:
        """(channels,) float32; None without a cell of tissue."""
        if self._sum is None or not self._count:
            return None
        return np.asarray(self._sum / self._count, np.float32)
