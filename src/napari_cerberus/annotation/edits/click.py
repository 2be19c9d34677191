"""A new object by one click: a seed that grows in the model's probability map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ...errors import EditError, SettingsError
from ...tasks import GLANDS, LUMINA, NUCLEI
from ..label_maps import Labels
from . import masks
from .changes import ChangeSet
from .draw import painted
from .pick import nearest_pixel
from .window import Mask, Window, check_labels, free_ids, window_at

CLICK_MAX_AREA_UM2 = {NUCLEI: 400.0, LUMINA: 50_000.0, GLANDS: 300_000.0}
"""Largest object that one click makes: generous against anything anatomical, small against a flooded image."""

_FIRST_HALF_PX = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class ProbabilityMap:
    """The model's probabilities of one task, and the rectangle of the image that they cover.

    Attributes
    ----------
    probabilities : (2, h, w) float array, 0..1
        Inner and contour, on the model grid.
    top_px, left_px, bottom_px, right_px : float
        The rectangle, in image pixels, half-open; the whole image is ``0, 0, height, width``.
    """

    probabilities: NDArray[np.floating[Any]]
    top_px: float
    left_px: float
    bottom_px: float
    right_px: float

    def __post_init__(self) -> None:
        shape = self.probabilities.shape
        if len(shape) != 3 or shape[0] != 2 or 0 in shape:
            raise SettingsError(f"A probability map must have the shape (2, height, width), not {shape}.")
        if not (self.bottom_px > self.top_px and self.right_px > self.left_px):
            raise SettingsError("A probability map must cover a rectangle of the image.")

    def on(self, window: Window) -> NDArray[np.float32]:
        """Foreground probability (inner + contour) at a window's pixels, bilinear; 0 outside the rectangle."""
        _, height, width = self.probabilities.shape
        rows = _positions(window.top, window.ids.shape[0], self.top_px, self.bottom_px, height)
        cols = _positions(window.left, window.ids.shape[1], self.left_px, self.right_px, width)
        (y0, y1), (x0, x1) = _span(rows, height), _span(cols, width)
        near = np.asarray(self.probabilities[:, y0:y1, x0:x1], dtype=np.float32).sum(axis=0)
        at = np.meshgrid(np.clip(rows - y0, 0, y1 - y0 - 1), np.clip(cols - x0, 0, x1 - x0 - 1), indexing="ij")
        values = ndimage.map_coordinates(near, at, order=1)
        inside = ((rows >= -0.5) & (rows < height - 0.5))[:, None] & ((cols >= -0.5) & (cols < width - 0.5))
        return np.where(inside, values, 0).astype(np.float32)


def _positions(first: int, count: int, low: float, high: float, size: int) -> NDArray[np.float64]:
    """Where ``count`` image pixels from ``first`` on lie in a map of ``size`` cells that covers ``low..high``."""
    centres = np.arange(first, first + count, dtype=np.float64) + 0.5
    return (centres - low) * size / (high - low) - 0.5


def _span(positions: NDArray[np.float64], size: int) -> tuple[int, int]:
    low = min(max(math.floor(positions[0]), 0), size - 1)
    return low, min(max(math.ceil(positions[-1]) + 1, low + 1), size)


@dataclass(frozen=True, kw_only=True)
class ClickSettings:
    """How a click grows.

    Attributes
    ----------
    max_area_px : float
        Largest object, in image pixels.
    level : float
        The object ends where the probability falls below this share of the seed's: 0.5 is half of the maximum.
    least : float
        Below this probability at the seed the model has seen nothing.
    """

    max_area_px: float
    level: float = 0.5
    least: float = 0.05

    def __post_init__(self) -> None:
        if not (self.max_area_px >= 1 and 0 < self.level < 1 and 0 < self.least < 1):
            raise SettingsError("A click needs a size limit of at least 1 px and a level and least between 0 and 1.")

    @classmethod
    def for_task(cls, task: str, pixel_size_um: float) -> ClickSettings:
        """Settings for a layer; ``task`` is a key of ``CLICK_MAX_AREA_UM2``."""
        return cls(max_area_px=max(CLICK_MAX_AREA_UM2[task] / pixel_size_um**2, 1.0))


def object_from_click(
    labels: Labels,
    point: Sequence[float],
    probability: ProbabilityMap,
    settings: ClickSettings,
    *,
    new_id: int | None = None,
) -> ChangeSet:
    """Make a new object of what the model sees, however faintly, around a click.

    The seed is the strongest probability within a pixel of the click. The object is the connected region around it
    where the probability is at least ``level`` times the seed's, in the background only, with holes filled. Where
    that is larger than ``max_area_px`` the level is raised until it fits.

    Parameters
    ----------
    point : row, column
        Pixel centres at integers.

    Raises
    ------
    EditError
        If the click is outside the image or on an object, the model sees nothing there, or no level fits.
    """
    check_labels(labels)
    row, col = nearest_pixel(labels, point)
    if labels[row, col] != 0:
        raise EditError(f"Object {int(labels[row, col])} is here already; click on background.")
    half = _FIRST_HALF_PX
    while True:  # most objects are far smaller than the limit, so look close to the click first
        window = window_at(labels, row - half, col - half, row + half + 1, col + half + 1)
        region = _grown(probability.on(window), window.free, half, settings)
        if not _reaches_edge(region) or half * half > 4 * settings.max_area_px:
            break
        half *= 2
    rows, cols = np.nonzero(region)
    return painted(labels, rows + window.top, cols + window.left, free_ids(labels, 1, new_id)[0], "Added object {}")


def _grown(seen: NDArray[np.float32], free: Mask, centre: int, settings: ClickSettings) -> Mask:
    """The region of a seed at the window's centre, at the lowest level that fits."""
    around = np.s_[centre - 1 : centre + 2, centre - 1 : centre + 2]
    candidates = np.where(free[around], seen[around], -1)
    dy, dx = divmod(int(candidates.argmax()), 3)
    seed = centre - 1 + dy, centre - 1 + dx
    peak = float(seen[seed])
    if peak < settings.least:
        raise EditError(f"The model sees nothing here ({peak:.0%}); draw the object instead.")
    for level in np.linspace(settings.level, 0.98, 13):
        numbered, _ = masks.parts(free & (seen >= level * peak))
        grown: Mask = numbered == numbered[seed]
        region = grown | (masks.fill(grown) & free)
        if np.count_nonzero(region) <= settings.max_area_px:
            return region
    raise EditError("What the model sees here has no end within the size limit; draw the object instead.")


def _reaches_edge(region: Mask) -> bool:
    return bool(region[0].any() or region[-1].any() or region[:, 0].any() or region[:, -1].any())
