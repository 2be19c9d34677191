"""How an image or slide is divided: blocks of the model grid for the network, blocks of the image for its labels."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ...model.spec import ModelSpec
from ...pixel_size import PixelSize
from ..grid.model_grid import ModelGrid, Window, round_up

LABEL_CHUNK_PX = 256
Place = tuple[int, int]
"""Row and column of a block."""
NetworkPlace = tuple[float, int, int]
"""Pixel size in µm, row and column of a block for the network."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The blocks of a slide at one pixel size; whatever their size, the objects are the same.

    Attributes
    ----------
    grid : ModelGrid
    network_px : int
        Side of a block for the network, in model pixels; a multiple of the network's stride.
    labels_px : int
        Side of a block of labels, in image pixels; a multiple of ``LABEL_CHUNK_PX``.
    """

    grid: ModelGrid
    network_px: int
    labels_px: int

    @classmethod
    def of(cls, grid: ModelGrid, block_px: int) -> Layout:
        """Blocks of about ``block_px`` model pixels."""
        labels = max(1, round(block_px * grid.scale / LABEL_CHUNK_PX)) * LABEL_CHUNK_PX
        return cls(grid=grid, network_px=round_up(block_px), labels_px=labels)

    @classmethod
    def of_model(cls, shape: tuple[int, int], pixel_size: float | PixelSize, spec: ModelSpec, block_px: int) -> Layouts:
        """The blocks at each pixel size of a model's tasks; those of labels are the same at all of them."""
        layouts = {size: cls.of(ModelGrid.of(shape, pixel_size, size), block_px) for size in spec.tasks_by_pixel_size()}
        labels_px = min(layout.labels_px for layout in layouts.values())
        return {size: replace(layout, labels_px=labels_px) for size, layout in layouts.items()}

    @property
    def whole(self) -> Window:
        """The model grid."""
        return Window(0, 0, *self.grid.shape)

    def network_blocks(self) -> list[Place]:
        """All blocks for the network, row by row."""
        return _places(self.grid.shape, self.network_px)

    def label_blocks(self) -> list[Place]:
        """All blocks of labels, row by row."""
        return _places(self.grid.image_shape, self.labels_px)

    def network_window(self, place: Place) -> Window:
        """Model pixels of a block for the network."""
        return _window(place, self.network_px, self.grid.shape)

    def label_window(self, place: Place) -> Window:
        """Image pixels of a block of labels."""
        return _window(place, self.labels_px, self.grid.image_shape)

    def on_model(self, image: Window) -> Window:
        """The model pixels that image pixels are drawn from."""
        top, left = (math.floor(self.grid.to_model(float(n), axis)) for axis, n in enumerate((image.y0, image.x0)))
        bottom, right = (
            math.ceil(self.grid.to_model(float(n - 1), axis)) + 1 for axis, n in enumerate((image.y1, image.x1))
        )
        height, width = self.grid.shape
        top, left = min(max(top, 0), height - 1), min(max(left, 0), width - 1)
        return Window(top, left, max(min(bottom, height), top + 1), max(min(right, width), left + 1))

    def on_image(self, model: Window) -> Window:
        """The image pixels that can be drawn from a window of model pixels; at the slide's edge all of them."""
        (top, bottom), (left, right) = (
            (
                0 if first == 0 else math.ceil(self.grid.to_image(float(first), axis)),
                image if stop == side else math.floor(self.grid.to_image(float(stop - 1), axis)) + 1,
            )
            for axis, (first, stop, side, image) in enumerate(
                (
                    (model.y0, model.y1, self.grid.shape[0], self.grid.image_shape[0]),
                    (model.x0, model.x1, self.grid.shape[1], self.grid.image_shape[1]),
                )
            )
        )
        return Window(top, left, bottom, right)

    def touched(self, window: Window) -> Iterator[Place]:
        """The blocks for the network that a window of model pixels meets."""
        size = self.network_px
        rows = range(window.y0 // size, (window.y1 - 1) // size + 1)
        columns = range(window.x0 // size, (window.x1 - 1) // size + 1)
        return itertools.product(rows, columns)


Layouts = Mapping[float, Layout]
"""The blocks at each pixel size, in µm, that the model's tasks are read at."""


def _places(shape: tuple[int, int], side: int) -> list[Place]:
    rows, columns = (range(-(-length // side)) for length in shape)
    return list(itertools.product(rows, columns))


def _window(place: Place, side: int, shape: tuple[int, int]) -> Window:
    top, left = place[0] * side, place[1] * side
    return Window(top, left, min(top + side, shape[0]), min(left + side, shape[1]))
