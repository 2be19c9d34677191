"""From a part of an image layer to the place of its result: scale, translation and units of the layers we make.

Points are ``(row, column)`` with pixel centres at integers. A multiscale level is ``factor`` times coarser: its pixel
``i`` covers full-resolution pixels ``factor * i`` to ``factor * (i + 1) - 1``, so its centre lies at
``factor * i + (factor - 1) / 2``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.utils.transforms import Affine

FloatArray = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, kw_only=True)
class Box:
    """Half-open rectangle of pixels, rows ``y0..y1`` and columns ``x0..x1``."""

    y0: int
    x0: int
    y1: int
    x1: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return max(self.y1 - self.y0, 0), max(self.x1 - self.x0, 0)

    @property
    def pixels(self) -> int:
        """Area in pixels; 0 if empty."""
        return self.shape[0] * self.shape[1]

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of these pixels in an ``(H, W, ...)`` array."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def as_tuple(self) -> tuple[int, int, int, int]:
        """``(y0, x0, y1, x1)``, for metadata."""
        return self.y0, self.x0, self.y1, self.x1

    @property
    def origin(self) -> tuple[int, int]:
        """First row and column."""
        return self.y0, self.x0

    def clipped(self, height: int, width: int) -> Box:
        """The part inside an image of ``height`` by ``width``."""
        y0, x0 = min(max(self.y0, 0), height), min(max(self.x0, 0), width)
        return Box(y0=y0, x0=x0, y1=min(max(self.y1, y0), height), x1=min(max(self.x1, x0), width))

    def grown(self, margin_px: int, step_px: int = 1) -> Box:
        """Enlarged on every side, and further up and left to multiples of ``step_px``."""
        y0, x0 = ((first - margin_px) // step_px * step_px for first in self.origin)
        return Box(y0=y0, x0=x0, y1=self.y1 + margin_px, x1=self.x1 + margin_px)

    @classmethod
    def around(cls, points: FloatArray) -> Box:
        """The pixels that the bounding rectangle of ``(n, 2)`` points covers by more than half."""
        low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
        y0, x0 = np.ceil(low).astype(int)
        y1, x1 = np.floor(high).astype(int) + 1
        return cls(y0=int(y0), x0=int(x0), y1=int(y1), x1=int(x1))


def finest(layer: Any) -> Any:
    """Pixels of an image layer, of its finest level where it has several."""
    return layer.data[0] if layer.multiscale else layer.data


def size_of(layer: Any) -> tuple[int, int]:
    """Rows and columns of an image layer, of its finest level where it has several."""
    rows, columns = finest(layer).shape[:2]
    return int(rows), int(columns)


def data_to_physical(layer: Any) -> Affine:
    """Scale, rotation, shear and translation of a layer as one transform, without its ``affine``."""
    return Affine(scale=layer.scale, translate=layer.translate, rotate=layer.rotate, shear=layer.shear)


def placement(layer: Any, origin: tuple[float, float], factors: tuple[float, float] = (1.0, 1.0)) -> dict[str, Any]:
    """Keyword arguments that put a layer exactly over a part of ``layer``.

    Parameters
    ----------
    layer : napari.layers.Image
        Any scale, translation, rotation, shear, affine and units.
    origin : tuple of float
        Row and column of the part's first pixel, in pixels of its own size.
    factors : tuple of float
        Rows and columns of ``layer`` at full resolution per row and column of the part.
    """
    step = np.asarray(factors, dtype=float)
    centre = np.asarray(origin) * step + (step - 1) / 2
    return {
        "scale": np.asarray(layer.scale) * step,
        "translate": np.asarray(data_to_physical(layer)(centre)),
        "rotate": np.asarray(layer.rotate),
        "shear": np.asarray(layer.shear),
        "affine": np.asarray(layer.affine.affine_matrix),
        "units": tuple(layer.units),
        "axis_labels": tuple(layer.axis_labels),
    }
