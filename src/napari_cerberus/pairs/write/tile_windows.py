"""Where tiles are cut from an image: a grid, or around objects; how much tissue a tile shows. Pure geometry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TISSUE_DENSITY = 0.15
"""Optical density above that of glass, in the channel that absorbs most, from which a pixel counts as tissue."""

PADDING_VALUE = 255
"""Glass: what lies outside a padded image."""


@dataclass(frozen=True, slots=True)
class Window:
    """One tile's place, in pixels of the canvas; it may reach beyond a small image, where it is padded.

    Attributes
    ----------
    y0, x0 : int
        First row and column; negative where the image is centred in a larger tile.
    side : int
        Height and width of the tile.
    """

    y0: int
    x0: int
    side: int

    def cut_image(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The (side, side, 3) part of an (H, W, 3) image, glass outside."""
        tile = np.full((self.side, self.side, 3), PADDING_VALUE, np.uint8)
        inside, source = self._overlap(image.shape[0], image.shape[1])
        tile[inside] = image[source]
        return tile

    def cut_labels(self, labels: NDArray[np.integer]) -> NDArray[np.int32]:
        """The (side, side) part of (H, W) labels, background outside."""
        tile = np.zeros((self.side, self.side), np.int32)
        inside, source = self._overlap(labels.shape[0], labels.shape[1])
        tile[inside] = labels[source]
        return tile

    def padding(self, shape: tuple[int, int]) -> tuple[int, int, int, int]:
        """Rows above, columns left, rows below and columns right of the image that are made up."""
        bottom, right = self.y0 + self.side - shape[0], self.x0 + self.side - shape[1]
        return max(-self.y0, 0), max(-self.x0, 0), max(bottom, 0), max(right, 0)

    def _overlap(self, height: int, width: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        y0, x0 = max(self.y0, 0), max(self.x0, 0)
        y1, x1 = min(self.y0 + self.side, height), min(self.x0 + self.side, width)
        inside = (slice(y0 - self.y0, y1 - self.y0), slice(x0 - self.x0, x1 - self.x0))
        return inside, (slice(y0, y1), slice(x0, x1))


def grid_windows(shape: tuple[int, int], side: int, overlap_px: int) -> list[Window]:
    """Tiles that cover the whole image, evenly spaced, overlapping by ``overlap_px`` or more."""
    rows = _starts(shape[0], side, overlap_px)
    columns = _starts(shape[1], side, overlap_px)
    return [Window(row, column, side) for row in rows for column in columns]


def object_windows(shape: tuple[int, int], side: int, boxes: Iterable[tuple[slice, slice]]) -> list[Window]:
    """Tiles centred on objects, one after another, leaving out objects that a chosen tile already shows whole."""
    chosen: list[Window] = []
    for rows, columns in boxes:
        if not any(_shows(window, rows, columns) for window in chosen):
            chosen.append(Window(_centred(rows, side, shape[0]), _centred(columns, side, shape[1]), side))
    return chosen


def tissue_share(image: NDArray[np.uint8], glass: int = 255) -> float:
    """Share of an (H, W, 3) tile that is not glass; ``glass`` is how bright that is in the tile's image."""
    darkest = image.min(axis=2).astype(np.float32)
    return float((-np.log10((darkest + 1) / (glass + 1)) > TISSUE_DENSITY).mean())


def _starts(length: int, side: int, overlap_px: int) -> list[int]:
    if length <= side:
        return [-((side - length) // 2)]
    count = -(-(length - side) // (side - overlap_px)) + 1
    return [round(start) for start in np.linspace(0, length - side, count)]


def _shows(window: Window, rows: slice, columns: slice) -> bool:
    y1, x1 = window.y0 + window.side, window.x0 + window.side
    return bool(window.y0 <= rows.start and rows.stop <= y1 and window.x0 <= columns.start and columns.stop <= x1)


def _centred(span: slice, side: int, length: int) -> int:
    if length <= side:
        return -((side - length) // 2)
    return int(min(max((span.start + span.stop - side) // 2, 0), length - side))
