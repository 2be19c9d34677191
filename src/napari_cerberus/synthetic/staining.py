"""From amounts of haematoxylin and eosin to the colours of a scanner (Beer-Lambert law)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from .look import Look

STAIN_VECTORS = np.array([[0.5626, 0.7201, 0.4062], [0.2159, 0.8012, 0.5581]], dtype=np.float32)
"""Optical density (R, G, B) of one unit of haematoxylin and of eosin, after Macenko et al. 2009 (ISBI)."""

LAMP = np.array([244.0, 242.0, 243.0], dtype=np.float32)
"""Bare glass, in grey levels."""

_SENSOR_NOISE = 1.6


def to_rgb(
    haematoxylin: NDArray[np.float32],
    eosin: NDArray[np.float32],
    pixel_size_um: float,
    rng: np.random.Generator,
    look: Look,
) -> NDArray[np.uint8]:
    """Render stain amounts, both (H, W), as a uint8 (H, W, 3) picture with blur, uneven light and noise."""
    vectors = STAIN_VECTORS + np.array(look.dye_turns, np.float32).reshape(2, 3)
    amounts = haematoxylin * np.float32(look.haematoxylin), eosin * np.float32(look.eosin)
    density = amounts[0][..., None] * vectors[0] + amounts[1][..., None] * vectors[1]
    light = np.exp(-density)
    sigma = look.optics_um / pixel_size_um
    if sigma > 0.15:
        light = gaussian_filter(light, sigma=(sigma, sigma, 0.0), mode="nearest")
    light *= (LAMP + np.array(look.lamp_shift, np.float32)) * _illumination(haematoxylin.shape, rng)[..., None]
    light += _SENSOR_NOISE * rng.standard_normal(light.shape, dtype=np.float32)
    return np.asarray(np.clip(np.rint(light), 0, 255), dtype=np.uint8)


def _illumination(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """A slope of at most 1.5 % across the field."""
    rows, columns = (np.linspace(-0.5, 0.5, side, dtype=np.float32) for side in shape)
    slope = rng.uniform(-0.015, 0.015, 2).astype(np.float32)
    return np.asarray(1.0 + slope[0] * rows[:, None] + slope[1] * columns[None, :])
