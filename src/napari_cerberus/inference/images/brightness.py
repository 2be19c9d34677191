"""Which value of a picture is full brightness: found by one rule, or said by a person, the same for all its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ImageError, SettingsError

__all__ = ["FullBrightness", "at_full_brightness", "checked_brightness", "found_brightness"]

_BIT_DEPTHS = (8, 10, 12, 14, 16)
_UNIT_FLOAT_MAX = 1.01
"""Resampled 0..1 images overshoot a little; they are clipped."""
_BYTE_FLOAT_MIN = 10.0
"""A float image whose brightest value lies between these two is neither 0..1 nor 0..255."""
_BAND_PIXELS = 1 << 22
_BRIGHT_SHARE = 1000
BRIGHTNESS_RANGE = (1e-3, float(2**32))


@dataclass(frozen=True, kw_only=True)
class FullBrightness:
    """Value that stands for white glass, and whether a person said so."""

    value: float
    said: bool = False

    def __str__(self) -> str:
        return f"{self.value:,.0f}" if self.value >= _BYTE_FLOAT_MIN else f"{self.value:g}"


def checked_brightness(value: float) -> float:
    """A value as somebody gave it. Raises ``SettingsError``."""
    low, high = BRIGHTNESS_RANGE
    if not low <= value <= high:
        raise SettingsError(f"Full brightness must lie in {low:g} to {high:.0f}, not {value:g}.")
    return float(value)


def at_full_brightness(pixels: NDArray[Any], full_brightness: float | None) -> NDArray[Any]:
    """A part of a picture, scaled as the whole picture is: 8-bit, or floats in 0..1; as it is where nothing is given.

    Parameters
    ----------
    pixels : (H, W, 3 or 4) array
    full_brightness : float or None
        Of the whole picture.

    Raises
    ------
    ImageError
    """
    if full_brightness is None or pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype.kind == "f":  # what is no number stays none, for to_rgb8 to count
        return np.minimum(pixels / full_brightness, 1.0).astype(np.float32)
    from .rgb import as_rgb8

    return as_rgb8(pixels, full_brightness)


def found_brightness(pixels: NDArray[Any]) -> float:
    """The value that stands for full brightness, by the rule.

    Integers: the largest of the smallest of 8, 10, 12, 14 and 16 bits that holds all but the brightest thousandth of
    the values, so that 12-bit pictures stored in 16 bits keep their brightness, and one hot pixel changes nothing. H&E
    is lit from behind: any part of a picture is brighter than a quarter of full brightness somewhere, so that a region
    is mostly scaled as its picture is. Floats: 1, or 255 where they go beyond.

    Parameters
    ----------
    pixels : (H, W, 3 or 4) array of integers or floats

    Raises
    ------
    ImageError
        If it holds negative values, or values that no rule explains.
    """
    lowest, highest = _finite_range(pixels)[0], _bright_value(pixels)
    if lowest < 0:
        raise ImageError(f"The image holds negative values (down to {lowest:g}); brightness must be 0 or more.")
    if pixels.dtype.kind in "ui":
        for bits in _BIT_DEPTHS:
            if highest < 1 << bits:
                return float((1 << bits) - 1)
        raise ImageError(f"The image holds values up to {highest:g}; only up to 16 bits a colour can be read.")
    if highest <= _UNIT_FLOAT_MAX:
        return 1.0
    if _BYTE_FLOAT_MIN <= highest <= 255.5:
        return 255.0
    raise ImageError(
        f"The image's values go up to {highest:g}; scale them to 0..1 or 0..255, or say which value is white "
        "(“White at” in the dock, --full-brightness on the command line)."
    )


def _bright_value(pixels: NDArray[Any]) -> float:
    """The value that all but the brightest thousandth stay below; of large pictures every n-th row is looked at."""
    step = max(1, pixels.size // (4 * _BAND_PIXELS))
    values = pixels[::step, :, :3]
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    if not values.size:
        return _finite_range(pixels)[1]
    flat = values.ravel()
    place = flat.size - 1 - flat.size // _BRIGHT_SHARE
    return float(np.partition(flat, place)[place])


def _finite_range(pixels: NDArray[Any]) -> tuple[float, float]:
    """Lowest and highest finite value of the colours. Raises ``ImageError`` where there is none."""
    lowest, highest = np.inf, -np.inf
    step = max(1, _BAND_PIXELS // pixels.shape[1])
    for start in range(0, len(pixels), step):
        band = pixels[start : start + step, :, :3]
        if band.dtype.kind == "f":
            band = band[np.isfinite(band)]
        if band.size:
            lowest, highest = min(lowest, float(band.min())), max(highest, float(band.max()))
    if lowest > highest:
        raise ImageError("The image holds no number at all (every pixel is NaN or infinite).")
    return lowest, highest
