"""A new object by one click: a seed that grows in the model's probability map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

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
_NUCLEUS_REACH_UM = 14.0
_NUCLEUS_SMOOTHING_UM, _NUCLEUS_LEAST_UM2 = 1.0, 8.0
_GLAND_CONTOUR_UM = 2.75


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

    def on(self, window: Window, contour_share: float = 1.0) -> NDArray[np.float32]:
        """Inner + ``contour_share`` · contour at a window's pixels, bilinear; 0 outside the rectangle."""
        _, height, width = self.probabilities.shape
        rows = _positions(window.top, window.ids.shape[0], self.top_px, self.bottom_px, height)
        cols = _positions(window.left, window.ids.shape[1], self.left_px, self.right_px, width)
        (y0, y1), (x0, x1) = _span(rows, height), _span(cols, width)
        inner, contour = np.asarray(self.probabilities[:, y0:y1, x0:x1], dtype=np.float32)
        near = inner + np.float32(contour_share) * contour
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
    contour_share : float
        How much of the contour counts as object: all of it, or the inner half of it where the network was taught a
        contour that straddles the outline.
    give_back_px : int
        By how much the object grows afterwards into free background, where the contour counts for nothing.
    parting_px : float
        Above 0 touching neighbours are parted as the model's own nuclei are: by a watershed of the inner probability,
        smoothed by this standard deviation.
    part_least_px : float
        Smaller parts are no objects.
    reach_px : int
        A parted object lies within this distance of the click.
    """

    max_area_px: float
    level: float = 0.5
    least: float = 0.05
    contour_share: float = 1.0
    give_back_px: int = 0
    parting_px: float = 0.0
    part_least_px: float = 1.0
    reach_px: int = _FIRST_HALF_PX

    def __post_init__(self) -> None:
        if not (self.max_area_px >= 1 and 0 < self.level < 1 and 0 < self.least < 1):
            raise SettingsError("A click needs a size limit of at least 1 px and a level and least between 0 and 1.")

    @classmethod
    def for_task(cls, task: str, pixel_size_um: float) -> ClickSettings:
        """Settings for a layer; ``task`` is a key of ``CLICK_MAX_AREA_UM2``."""
        most_px = max(CLICK_MAX_AREA_UM2[task] / pixel_size_um**2, 1.0)
        if task == NUCLEI:
            return cls(
                max_area_px=most_px,
                contour_share=0.5,
                parting_px=_NUCLEUS_SMOOTHING_UM / pixel_size_um,
                part_least_px=_NUCLEUS_LEAST_UM2 / pixel_size_um**2,
                reach_px=math.ceil(_NUCLEUS_REACH_UM / pixel_size_um),
            )
        if task == GLANDS:
            return cls(max_area_px=most_px, contour_share=0.0, give_back_px=round(_GLAND_CONTOUR_UM / pixel_size_um))
        return cls(max_area_px=most_px)


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
    region, window = (_parted if settings.parting_px else _whole)(labels, (row, col), probability, settings)
    rows, cols = np.nonzero(region)
    return painted(labels, rows + window.top, cols + window.left, free_ids(labels, 1, new_id)[0], "Added object {}")


def _around(labels: Labels, at: tuple[int, int], half: int) -> Window:
    return window_at(labels, at[0] - half, at[1] - half, at[0] + half + 1, at[1] + half + 1)


def _whole(
    labels: Labels, at: tuple[int, int], probability: ProbabilityMap, settings: ClickSettings
) -> tuple[Mask, Window]:
    """The connected region around a click; most are far smaller than the limit, so look close to the click first."""
    half = _FIRST_HALF_PX
    while True:
        window = _around(labels, at, half)
        region = _grown(probability.on(window, settings.contour_share), window.free, half, settings)
        if not _reaches_edge(region) or half * half > 4 * settings.max_area_px:
            return _given_back(region, window.free, settings), window
        half *= 2


def _given_back(region: Mask, free: Mask, settings: ClickSettings) -> Mask:
    return masks.dilate(region, settings.give_back_px) & free if settings.give_back_px else region


def _parted(
    labels: Labels, at: tuple[int, int], probability: ProbabilityMap, settings: ClickSettings
) -> tuple[Mask, Window]:
    """The part of a watershed that holds the click, down to ``level`` of its highest probability."""
    half = settings.reach_px
    window = _around(labels, at, half)
    seen, free = probability.on(window, settings.contour_share), window.free
    seed = _seed(seen, free, half, settings)
    part = _part_of(
        seed, ndimage.gaussian_filter(probability.on(window, 0.0), settings.parting_px), seen, free, settings
    )
    peak = float(seen[part].max())
    for level in np.linspace(settings.level, 0.98, 13):
        numbered, _ = masks.parts(part & (seen >= min(level * peak, float(seen[seed]))))
        grown: Mask = numbered == numbered[seed]
        region = grown | (masks.fill(grown) & free)
        if np.count_nonzero(region) <= settings.max_area_px:
            return region, window
    raise EditError(_NO_END)


def _part_of(
    seed: tuple[int, int], height: NDArray[np.float32], seen: NDArray[np.float32], free: Mask, settings: ClickSettings
) -> Mask:
    """The basin of a seed among the peaks of ``height``; peaks of parts that are too small are dropped."""
    mask = free & (seen >= settings.level * seen[seed])
    peaks, _ = ndimage.label((ndimage.maximum_filter(height, 3) == height) & mask, masks.EIGHT)
    parts = watershed(-height, peaks, mask=mask)
    areas = np.bincount(parts.ravel())
    small = np.flatnonzero(areas < settings.part_least_px)
    if 0 < np.count_nonzero(small) < np.count_nonzero(areas[1:]):
        parts = watershed(-height, np.where(np.isin(parts, small), 0, peaks), mask=mask)
    if not parts[seed]:
        parts, _ = masks.parts(mask)
    part: Mask = parts == parts[seed]
    return part


_NO_END = "What the model sees here has no end within the size limit; draw the object instead."


def _seed(seen: NDArray[np.float32], free: Mask, centre: int, settings: ClickSettings) -> tuple[int, int]:
    """The strongest probability within a pixel of the window's centre. Raises ``EditError`` where there is none."""
    around = np.s_[centre - 1 : centre + 2, centre - 1 : centre + 2]
    candidates = np.where(free[around], seen[around], -1)
    dy, dx = divmod(int(candidates.argmax()), 3)
    seed = centre - 1 + dy, centre - 1 + dx
    if float(seen[seed]) < settings.least:
        raise EditError(f"The model sees nothing here ({float(seen[seed]):.0%}); draw the object instead.")
    return seed


def _grown(seen: NDArray[np.float32], free: Mask, centre: int, settings: ClickSettings) -> Mask:
    """The region of a seed at the window's centre, at the lowest level that fits."""
    seed = _seed(seen, free, centre, settings)
    for level in np.linspace(settings.level, 0.98, 13):
        numbered, _ = masks.parts(free & (seen >= level * seen[seed]))
        grown: Mask = numbered == numbered[seed]
        region = grown | (masks.fill(grown) & free)
        if np.count_nonzero(region) <= settings.max_area_px:
            return region
    raise EditError(_NO_END)


def _reaches_edge(region: Mask) -> bool:
    return bool(region[0].any() or region[-1].any() or region[:, 0].any() or region[:, -1].any())
