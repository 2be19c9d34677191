"""Where on a slide there is tissue: found first, on a coarse view, against the slide's own background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..inference.grid.model_grid import ModelGrid, Window
from ..progress import Job, Progress
from .files.slide import Slide

CELL_UM = 16.0
_LEAST_DENSITY = 0.04
"""Optical density, against the background, of the faintest tissue."""
_GLASS_MIN, _GLASS_SPREAD, _LEAST_GLASS_SHARE = 180, 25, 0.01
_NEVER_SCANNED_MAX = 10
_SMALLEST_CELLS, _MARGIN_CELLS, _LARGEST_HOLE_CELLS = 4, 2, 400
_STRIP_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True)
class TissueMask:
    """Cells of a slide that hold tissue, with a margin of two cells.

    Attributes
    ----------
    cells : (h, w) bool array
    cell_px : int
        Pixels of the finest level to a cell.
    """

    cells: NDArray[np.bool_]
    cell_px: int

    def on(self, window: Window, grid: ModelGrid) -> NDArray[np.bool_]:
        """The mask at the centres of a window of model pixels, (h, w) bool; the same however the slide is cut."""
        rows, columns = (
            np.clip(grid.to_image(np.arange(first, stop) + 0.0, axis) // self.cell_px, 0, side - 1).astype(int)
            for axis, (first, stop, side) in enumerate(
                (
                    (window.y0, window.y1, self.cells.shape[0]),
                    (window.x0, window.x1, self.cells.shape[1]),
                )
            )
        )
        return np.asarray(self.cells[np.ix_(rows, columns)])


def find_tissue(slide: Slide, pixel_size_um: float) -> Job[TissueMask]:
    """Look for tissue. Raises ``ImageError`` where the slide is damaged."""
    cell_px = max(1, round(CELL_UM / pixel_size_um))
    view = yield from coarse_view(slide, cell_px)
    return TissueMask(cells=tissue_in(view), cell_px=cell_px)


def coarse_view(slide: Slide, cell_px: int) -> Job[NDArray[np.uint8]]:
    """Mean colour of each cell of ``cell_px`` pixels, (h, w, 3) uint8, read in strips."""
    number = max(n for n, factor in enumerate(slide.downsamples) if factor <= cell_px or n == 0)
    level = slide.levels[number]
    height, width = int(level.shape[0]), int(level.shape[1])
    shape = tuple(-(-side // cell_px) for side in slide.shape)
    rows, columns = (
        np.minimum((np.arange(side) + 0.5) * full / side // cell_px, cells - 1).astype(int)
        for side, full, cells in zip((height, width), slide.shape, shape, strict=True)
    )
    sums, counts = np.zeros((*shape, 3)), np.zeros(shape)
    step = max(1, _STRIP_BYTES // (3 * width))
    for top in range(0, height, step):
        yield Progress("Looking for tissue", top, height)
        bottom = min(height, top + step)
        strip = slide.read(Window(top, 0, bottom, width), number)
        flat = (rows[top:bottom, None] * shape[1] + columns[None, :]).ravel()
        counts += np.bincount(flat, minlength=counts.size).reshape(shape)
        for channel in range(3):
            sums[..., channel] += np.bincount(flat, strip[..., channel].ravel(), counts.size).reshape(shape)
    return np.asarray(np.rint(sums / np.maximum(counts, 1)[..., None]), np.uint8)


def background_of(view: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Colour of the slide's glass: the most frequent of the bright, colourless cells; white where there are none."""
    bright = view[(view.min(axis=2) >= _GLASS_MIN) & (np.ptp(view, axis=2) <= _GLASS_SPREAD)]
    if len(bright) < _LEAST_GLASS_SHARE * view[..., 0].size:
        return np.full(3, 245.0)
    brightness = bright.min(axis=1)
    mode = np.bincount(brightness).argmax()
    return np.asarray(np.median(bright[np.abs(brightness.astype(int) - mode) <= 2], axis=0), np.float64)


def tissue_in(view: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Cells with tissue: denser than the glass, no specks, small holes filled, and a margin."""
    density = np.log10(background_of(view) / np.maximum(view, 1)).max(axis=2)
    tissue = (density > _LEAST_DENSITY) & (view.max(axis=2) > _NEVER_SCANNED_MAX)
    for empty, smallest in ((False, _SMALLEST_CELLS), (True, _LARGEST_HOLE_CELLS)):
        parts, _count = ndimage.label(tissue != empty)
        small = np.bincount(parts.ravel()) < smallest
        small[0] = False
        tissue ^= small[parts]
    if not tissue.any() and (density > _LEAST_DENSITY).any():  # smaller than a speck of a slide: a tile
        tissue = density > _LEAST_DENSITY
    return np.asarray(ndimage.binary_dilation(tissue, np.ones((3, 3), bool), iterations=_MARGIN_CELLS))
