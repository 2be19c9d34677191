"""What a drawn tile may look like, and what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..errors import SettingsError
from .look import Look, random_look

TRUTH_FILE = "truth.json"
MIN_SIDE_PX = 16
MAX_SIDE_PX = 20_000
PIXEL_SIZE_RANGE_UM = (0.1, 8.0)


@dataclass(frozen=True, kw_only=True)
class TileSettings:
    """Size, scale and seed of a tile.

    Attributes
    ----------
    height_px, width_px : int
        Shape of the image, at least 16.
    pixel_size_um : float
        Side of a pixel in µm. The same seed and the same extent in µm show the same tissue at any pixel size;
        only the finest texture differs.
    seed : int
        Not negative. One seed, one tile.
    varied : bool
        Tissue, cells and stain vary from seed to seed as they do between diseases and laboratories (``look``).
    """

    height_px: int = 1024
    width_px: int = 1024
    pixel_size_um: float = 0.5
    seed: int = 0
    varied: bool = False

    def __post_init__(self) -> None:
        for name in ("height_px", "width_px"):
            if not MIN_SIDE_PX <= getattr(self, name) <= MAX_SIDE_PX:
                raise SettingsError(f"{name} must lie in {MIN_SIDE_PX}..{MAX_SIDE_PX}, not {getattr(self, name)}.")
        low, high = PIXEL_SIZE_RANGE_UM
        if not low <= self.pixel_size_um <= high:
            raise SettingsError(f"pixel_size_um must lie in {low}..{high} µm, not {self.pixel_size_um}.")
        if self.seed < 0:
            raise SettingsError(f"seed must not be negative; it is {self.seed}.")

    @property
    def shape(self) -> tuple[int, int]:
        """``(height, width)`` in px."""
        return self.height_px, self.width_px

    @property
    def extent_um(self) -> tuple[float, float]:
        """``(height, width)`` in µm."""
        return self.height_px * self.pixel_size_um, self.width_px * self.pixel_size_um

    @cached_property
    def look(self) -> Look:
        """What the tissue is like."""
        return random_look(self.generator(10)) if self.varied else Look()

    def generator(self, *stream: int) -> np.random.Generator:
        """Random numbers of one part of the drawing, independent of how many the other parts drew."""
        return np.random.default_rng([self.seed, *stream])


@dataclass(frozen=True, kw_only=True)
class SyntheticTile:
    """A drawn tile and the truth about it.

    Attributes
    ----------
    image : uint8 (H, W, 3)
        RGB.
    labels : mapping of task key to int32 (H, W)
        Instance labels of ``nuclei``, ``glands`` and ``lumina``; 0 is background, ids run from 1 without a
        gap, every object is one 8-connected piece. A gland includes its lumen.
    nucleus_classes : mapping of nucleus id to class name
        ``epithelial``, ``lymphocyte``, ``plasma``, ``eosinophil`` or ``connective``.
    pixel_size_um : float
        Side of a pixel in µm.
    """

    image: NDArray[np.uint8]
    labels: Mapping[str, NDArray[np.int32]]
    nucleus_classes: Mapping[int, str]
    pixel_size_um: float
