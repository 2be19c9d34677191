"""Pure geometry: the model grid, and tiles on it that change nothing.

Two grids share the image's top-left corner. The *image grid* has the pixels as opened; the *model grid* has pixels of
the model's size. Pixel centres lie at integers, so model pixel i is centred on image coordinate (i + 0.5)·s - 0.5,
where s is the number of image pixels per model pixel.

The network's zero padding at the image's border is part of its answer, so a tile gets no margin there. At an inner
seam it gets a margin as wide as the network can see, and the answer inside is that of the whole image.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import SettingsError
from ...model.spec import STRIDE_PX
from ...pixel_size import PixelSize

SNAP = 0.02
"""Pixel sizes that differ by less are taken as equal: resampling would blur more than it mends."""


@dataclass(frozen=True, kw_only=True)
class ModelGrid:
    """The model grid of an image.

    Attributes
    ----------
    image_shape : (int, int)
        Height and width of the image.
    scales : (float, float)
        Image pixels per model pixel along y and x; exactly 1 where the sizes are as good as equal.
    """

    image_shape: tuple[int, int]
    scales: tuple[float, float]

    @classmethod
    def of(
        cls, image_shape: tuple[int, int], pixel_size_um: float | PixelSize, model_pixel_size_um: float
    ) -> ModelGrid:
        """Grid of square pixels of ``model_pixel_size_um`` over an image with pixels of ``pixel_size_um``."""
        sides = pixel_size_um.yx_um if isinstance(pixel_size_um, PixelSize) else (pixel_size_um, pixel_size_um)
        down, across = (model_pixel_size_um / side for side in sides)
        return cls(image_shape=image_shape, scales=(_snapped(down), _snapped(across)))

    @property
    def scale(self) -> float:
        """Image pixels per model pixel: the geometric mean where the axes differ."""
        return math.sqrt(self.scales[0] * self.scales[1]) if self.scales[0] != self.scales[1] else self.scales[0]

    @property
    def identical(self) -> bool:
        """True where the two grids are one."""
        return self.scales == (1.0, 1.0)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in model pixels; together they cover the whole image."""
        sides = zip(self.image_shape, self.scales, strict=True)
        height, width = (max(1, math.ceil(side / scale - 1e-6)) for side, scale in sides)
        return height, width

    def to_image(self, model_px: NDArray[np.floating[Any]] | float, axis: int = 0) -> Any:
        """Model coordinates → image coordinates along an axis (0: y, 1: x)."""
        return (model_px + 0.5) * self.scales[axis] - 0.5

    def to_model(self, image_px: NDArray[np.floating[Any]] | float, axis: int = 0) -> Any:
        """Image coordinates → model coordinates along an axis (0: y, 1: x)."""
        return (image_px + 0.5) / self.scales[axis] - 0.5


def _snapped(scale: float) -> float:
    return 1.0 if abs(scale - 1.0) < SNAP else scale


@dataclass(frozen=True, slots=True)
class Window:
    """Half-open rectangle y0..y1, x0..x1 of pixels."""

    y0: int
    x0: int
    y1: int
    x1: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index into an (H, W) array."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.y1 - self.y0, self.x1 - self.x0

    def grown(self, margin_px: int, limit: Window) -> Window:
        """Enlarged on every side, as far as ``limit`` goes."""
        return Window(
            max(self.y0 - margin_px, limit.y0),
            max(self.x0 - margin_px, limit.x0),
            min(self.y1 + margin_px, limit.y1),
            min(self.x1 + margin_px, limit.x1),
        )

    def inside(self, outer: Window) -> Window:
        """The same pixels, counted from the corner of ``outer``."""
        return Window(self.y0 - outer.y0, self.x0 - outer.x0, self.y1 - outer.y0, self.x1 - outer.x0)

    def coarser(self, factor: int) -> Window:
        """In cells of ``factor`` pixels; the edges must be multiples of it."""
        return Window(self.y0 // factor, self.x0 // factor, self.y1 // factor, self.x1 // factor)

    def split(self, side_px: int) -> list[Window]:
        """Even parts of at most ``side_px``, with edges at multiples of ``STRIDE_PX`` from the corner."""
        rows, columns = (_cuts(side, side_px) for side in self.shape)
        return [
            Window(self.y0 + top, self.x0 + left, self.y0 + bottom, self.x0 + right)
            for top, bottom in rows
            for left, right in columns
        ]


@dataclass(frozen=True, slots=True)
class Tile:
    """What the network reads (``window``) and the part of its answer that counts (``valid``), in model pixels."""

    valid: Window
    window: Window


def pad_to_stride(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Mirror an (h, w, 3) image beyond its bottom and right edge, to multiples of ``STRIDE_PX``.

    It is returned itself where its sides are multiples already.
    """
    below, right = (-side % STRIDE_PX for side in image.shape[:2])
    if not (below or right):
        return image
    return np.pad(image, ((0, below), (0, right), (0, 0)), mode="symmetric")


def tiles(parts: Iterable[Window], whole: Window, margin_px: int) -> list[Tile]:
    """Give each part its margin, as far as the image goes."""
    return [Tile(valid=part, window=part.grown(margin_px, whole)) for part in parts]


def plan(shape: tuple[int, int], tile_size_px: int, margin_px: int) -> list[Tile]:
    """Tiles that cover a padded image once.

    Parameters
    ----------
    shape : (int, int)
        Height and width, multiples of ``STRIDE_PX``.
    tile_size_px : int
        Largest side of the valid part; rounded up to a multiple of ``STRIDE_PX``.
    margin_px : int
        Margin at inner seams, a multiple of ``STRIDE_PX``.

    Raises
    ------
    SettingsError
        If the tile size is below 1.
    """
    whole = Window(0, 0, *shape)
    return tiles(whole.split(checked_tile_size(tile_size_px)), whole, margin_px)


def checked_tile_size(tile_size_px: int) -> int:
    """``tile_size_px`` rounded up to a multiple of ``STRIDE_PX``. Raises ``SettingsError`` below 1."""
    if tile_size_px < 1:
        raise SettingsError(f"tile_size_px must be 1 or more, not {tile_size_px}.")
    return round_up(tile_size_px)


def round_up(length_px: int) -> int:
    """The next multiple of ``STRIDE_PX``."""
    return -(-length_px // STRIDE_PX) * STRIDE_PX


def _cuts(length: int, side_px: int) -> list[tuple[int, int]]:
    cells = length // STRIDE_PX
    parts = -(-length // side_px)
    edges = [round(part * cells / parts) * STRIDE_PX for part in range(parts + 1)]
    return list(itertools.pairwise(edges))
