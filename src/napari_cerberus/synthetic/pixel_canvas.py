"""The pixel grid a tile is drawn on, and the noise that gives tissue its grain."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from .crypt_layout import Points
from .tile_settings import TileSettings

Plane = NDArray[np.float32]


@dataclass(frozen=True)
class Window:
    """A rectangle of the canvas.

    Attributes
    ----------
    box : (slice, slice)
        Rows and columns.
    points : float (h, w, 2)
        ``(y, x)`` of its pixel centres in µm.
    """

    box: tuple[slice, slice]
    points: Points


@dataclass
class Canvas:
    """Stain amounts and truth, all (H, W). Drawing changes them in place."""

    settings: TileSettings
    haematoxylin: Plane = field(init=False)
    eosin: Plane = field(init=False)
    glands: NDArray[np.int32] = field(init=False)
    lumina: NDArray[np.int32] = field(init=False)
    nuclei: NDArray[np.int32] = field(init=False)
    empty: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        shape = self.settings.shape
        self.haematoxylin, self.eosin = (np.zeros(shape, np.float32) for _ in range(2))
        self.glands, self.lumina, self.nuclei = (np.zeros(shape, np.int32) for _ in range(3))
        self.empty = np.zeros(shape, bool)

    def window(self, low_um: Points, high_um: Points) -> Window | None:
        """Pixels whose centres lie between two corners in µm; None where that is outside the canvas."""
        scale = self.settings.pixel_size_um
        first = np.maximum(np.ceil(low_um / scale - 0.5), 0).astype(int)
        last = np.minimum(np.floor(high_um / scale - 0.5) + 1, self.settings.shape).astype(int)
        if np.any(first >= last):
            return None
        rows, columns = (np.arange(start, stop) + 0.5 for start, stop in zip(first, last, strict=True))
        points = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1) * scale
        return Window((slice(first[0], last[0]), slice(first[1], last[1])), points)

    def blend(self, window: Window, cover: Plane, haematoxylin: Plane | float, eosin: Plane | float) -> None:
        """Lay new stain amounts over ``window``; ``cover`` 0..1 says how much of the old ones is hidden."""
        for plane, new in ((self.haematoxylin, haematoxylin), (self.eosin, eosin)):
            part = plane[window.box]
            part += cover * (new - part)


def grain(settings: TileSettings, size_um: float, rng: np.random.Generator) -> Plane:
    """Smooth random texture (H, W) with mean 0, standard deviation about 1 and blobs of about ``size_um``."""
    sigma = max(size_um / settings.pixel_size_um / 2.0, 0.35)
    step = max(sigma / 2.0, 1.0)
    coarse = tuple(int(np.ceil(side / step)) + 2 for side in settings.shape)
    noise = gaussian_filter(rng.standard_normal(coarse, dtype=np.float32), sigma / step, mode="wrap")
    noise *= 2.0 * np.sqrt(np.pi) * max(sigma / step, 0.4)
    if step == 1.0:
        return np.asarray(noise[: settings.height_px, : settings.width_px])
    axes = (np.arange(side, dtype=np.float32) / step for side in settings.shape)
    places = np.meshgrid(*axes, indexing="ij")
    return np.asarray(map_coordinates(noise, places, order=1, mode="nearest"), dtype=np.float32)


class Strand:
    """Random texture along one line: smooth, mean 0, standard deviation about 1, blobs of ``size_um``."""

    def __init__(self, size_um: float, rng: np.random.Generator) -> None:
        noise = gaussian_filter(rng.standard_normal(4096), 2.0, mode="wrap")
        self._values = (noise / noise.std()).astype(np.float32)
        self._per_um = 4.0 / size_um

    def __call__(self, position_um: NDArray[np.floating]) -> Plane:
        """Value at each position, in µm along the line."""
        index = np.asarray(position_um * self._per_um, dtype=np.int64)
        return np.asarray(self._values[index % len(self._values)])


def ramp(values: NDArray[np.floating], width: float) -> Plane:
    """A soft step from 0 (well below zero) to 1 (well above), ``width`` wide."""
    return np.asarray(np.clip(values / width + 0.5, 0.0, 1.0), dtype=np.float32)
