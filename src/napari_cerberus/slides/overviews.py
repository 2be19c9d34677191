"""Overviews of an annotated slide: where tissue is, of what kind, and where the network doubts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..files import atomic_path
from ..inference.blocks.block_layout import Layouts, NetworkPlace
from ..inference.grid.model_grid import ModelGrid, Window
from ..inference.tissue_readout import cell_sums
from ..model.spec import STRIDE_PX, ModelSpec
from .damage import readable
from .slide_folder import TISSUE, RunFolder
from .tissue import TissueMask


@dataclass(frozen=True, kw_only=True)
class Overviews:
    """What ``overviews.npz`` holds.

    Attributes
    ----------
    mask : (H, W) bool array
        Cells with tissue.
    mask_px : int
        Pixels of the slide to a cell of the mask.
    tissue : (classes, h, w) uint8 array
        Tissue probabilities, 255 for one; no classes for a model without a tissue head.
    uncertainty : (h, w) uint8 array
        How much the most doubtful task doubts; 255 is a coin's toss.
    cell_px : (float, float)
        Pixels of the slide to a cell of the two maps, along y and x.
    """

    mask: NDArray[np.bool_]
    mask_px: int
    tissue: NDArray[np.uint8]
    uncertainty: NDArray[np.uint8]
    cell_px: tuple[float, float]

    def write(self, folder: Path) -> None:
        """Write them into the folder of a run."""
        with atomic_path(folder / TISSUE) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(
                stream,
                mask=self.mask,
                mask_px=self.mask_px,
                tissue=self.tissue,
                uncertainty=self.uncertainty,
                cell_px=self.cell_px,
            )

    @classmethod
    def read(cls, folder: Path) -> Overviews:
        """Read those of a run. Raises ``DataError`` where they are missing or damaged."""
        path = folder / TISSUE
        with readable(path), path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            down, across = stored["cell_px"]
            return cls(
                mask=stored["mask"],
                mask_px=int(stored["mask_px"]),
                tissue=stored["tissue"],
                uncertainty=stored["uncertainty"],
                cell_px=(float(down), float(across)),
            )


def overviews_of(
    run: RunFolder, places: Sequence[NetworkPlace], layouts: Layouts, spec: ModelSpec, tissue: TissueMask
) -> Overviews:
    """The overviews of all blocks, in cells of 16 pixels of the model's coarsest grid."""
    coarsest = max(layouts)
    grid = layouts[coarsest].grid
    shape = _cells(grid)
    uncertainty = np.zeros(shape, np.uint8)
    classes = np.zeros((len(spec.tissue_classes), *shape), np.uint8)
    for place in places:
        stored = run.read_network(place)
        layout = layouts[place[0]]
        window = layout.network_window(place[1:])
        rows, columns = _onto(grid, layout.grid, window)
        np.maximum.at(uncertainty, np.ix_(rows, columns), stored["uncertainty"])
        if "tissue" in stored:
            classes[:, rows[:, None], columns] = stored["tissue"]
    return Overviews(
        mask=tissue.cells,
        mask_px=tissue.cell_px,
        tissue=classes,
        uncertainty=uncertainty,
        cell_px=(STRIDE_PX * grid.scales[0], STRIDE_PX * grid.scales[1]),
    )


def uncertainty_of(probabilities: Mapping[str, NDArray[Any]]) -> NDArray[np.uint8]:
    """Mean over cells of 16 px of how much the network doubts, of the most doubtful task; 255 is a coin's toss."""
    doubts = [1.0 - np.abs(2.0 * both.astype(np.float32).sum(axis=0) - 1.0) for both in probabilities.values()]
    sums, pixels = cell_sums(np.max(doubts, axis=0))
    return np.asarray(np.rint(np.clip(sums / pixels, 0, 1) * 255), np.uint8)


def _cells(grid: ModelGrid) -> tuple[int, int]:
    height, width = grid.shape
    return -(-height // STRIDE_PX), -(-width // STRIDE_PX)


def _onto(target: ModelGrid, source: ModelGrid, window: Window) -> list[NDArray[np.intp]]:
    """Rows and columns of the target's cells in which the centres of a window's cells lie."""
    places = []
    for axis, (first, stop) in enumerate(((window.y0, window.y1), (window.x0, window.x1))):
        centres = np.arange(first // STRIDE_PX, -(-stop // STRIDE_PX)) * STRIDE_PX + STRIDE_PX / 2 - 0.5
        on_target = target.to_model(source.to_image(centres, axis), axis)
        cells = np.floor((on_target + 0.5) / STRIDE_PX).astype(np.intp)
        places.append(cells.clip(0, _cells(target)[axis] - 1))
    return places
