"""Where on a slide there is tissue: found first, on a coarse view, against the slide's own background."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import dask.array as da
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..inference.grid.model_grid import ModelGrid, Window
from ..progress import Job, Progress
from .slide_files.slide import Slide

CELL_UM = 16.0
_LEAST_DENSITY = 0.04
"""Optical density, against the background, of the faintest tissue."""
_GLASS_MIN, _GLASS_SPREAD, _LEAST_GLASS_SHARE = 180, 25, 0.01
_NEVER_SCANNED_MAX = 10
_SMALLEST_CELLS, _MARGIN_CELLS, _LARGEST_HOLE_CELLS = 4, 2, 400


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

    def densest(self, side_px: int, shape: tuple[int, int]) -> Window | None:
        """A square of the slide with as much tissue around it as there is; None where there is none."""
        if not self.cells.any():
            return None
        depth = ndimage.distance_transform_edt(np.pad(self.cells, 1))[1:-1, 1:-1]
        row, column = np.unravel_index(int(depth.argmax()), depth.shape)
        top, left = (
            int(min(max((cell + 0.5) * self.cell_px - side_px / 2, 0), max(side - side_px, 0)))
            for cell, side in zip((row, column), shape, strict=True)
        )
        return Window(top, left, min(top + side_px, shape[0]), min(left + side_px, shape[1]))


def find_tissue(slide: Slide, pixel_size_um: float) -> Job[TissueMask]:
    """Look for tissue. Raises ``ImageError`` where the slide is damaged."""
    cell_px = max(1, round(CELL_UM / pixel_size_um))
    view = yield from coarse_view(slide, cell_px)
    return TissueMask(cells=tissue_in(view), cell_px=cell_px)


def coarse_view(slide: Slide, cell_px: int) -> Job[NDArray[np.uint8]]:
    """Mean colour of each cell of ``cell_px`` pixels, (h, w, 3) uint8, read chunk by chunk."""
    number = max(n for n, factor in enumerate(slide.downsamples) if factor <= cell_px or n == 0)
    level = slide.levels[number]
    shape = (-(-slide.shape[0] // cell_px), -(-slide.shape[1] // cell_px))
    rows, columns = (
        np.minimum((np.arange(side) + 0.5) * full / side // cell_px, cells - 1).astype(int)
        for side, full, cells in zip(level.shape, slide.shape, shape, strict=False)
    )
    sums, counts = np.zeros((*shape, 3)), np.zeros(shape)
    chunks = _chunks(level)
    for done, chunk in enumerate(chunks):
        yield Progress("Looking for tissue", done, len(chunks))
        down, across = rows[slice(chunk.y0, chunk.y1)], columns[slice(chunk.x0, chunk.x1)]
        part = np.s_[down[0] : down[-1] + 1, across[0] : across[-1] + 1]
        cells = (int(down[-1] - down[0]) + 1, int(across[-1] - across[0]) + 1)
        flat = ((down - down[0])[:, None] * cells[1] + (across - across[0])[None, :]).ravel()
        pixels = slide.read(chunk, number)
        counts[part] += np.bincount(flat, minlength=cells[0] * cells[1]).reshape(cells)
        for channel in range(3):
            sums[(*part, channel)] += np.bincount(flat, pixels[..., channel].ravel(), cells[0] * cells[1]).reshape(
                cells
            )
    return np.asarray(np.rint(sums / np.maximum(counts, 1)[..., None]), np.uint8)


def _chunks(level: da.Array) -> list[Window]:
    """The parts in which a level is read, each once."""
    tops, lefts = (np.concatenate([[0], np.cumsum(sides)]).tolist() for sides in level.chunks[:2])
    return [
        Window(top, left, bottom, right)
        for top, bottom in itertools.pairwise(tops)
        for left, right in itertools.pairwise(lefts)
    ]


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
