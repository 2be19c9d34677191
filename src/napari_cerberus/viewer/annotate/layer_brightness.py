"""Full brightness of an image layer: of the whole image, whatever part of it is read, or as the user said."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ImageError
from ...inference.images.brightness import FullBrightness, checked_brightness, found_brightness

BRIGHTNESS = "napari-cerberus full brightness"
"""Our entry in the ``metadata`` of an image layer: what the user said is white."""

_MOST_VALUES = 1 << 24


def brightness_of(layer: Any) -> FullBrightness | None:
    """What the user said, else what the rule finds in the whole image; None for 8-bit images.

    ``value`` is 0 where no rule explains the image's values; the run then says so.
    """
    pixels = layer.data[-1] if layer.multiscale else layer.data
    if np.dtype(pixels.dtype) == np.uint8:
        return None
    said = layer.metadata.get(BRIGHTNESS)
    if isinstance(said, (int, float)) and not isinstance(said, bool) and said > 0:
        return FullBrightness(value=float(said), said=True)
    step = max(1, int(np.prod(pixels.shape)) // _MOST_VALUES)
    try:
        return FullBrightness(value=found_brightness(np.asarray(pixels[::step])))
    except ImageError:
        return FullBrightness(value=0.0)


def brightness_value(layer: Any) -> float | None:
    """For ``brightness.at_full_brightness``; None where nothing is to be scaled, or nothing is known."""
    found = brightness_of(layer)
    return found.value or None if found is not None else None


def said_brightness(layer: Any) -> float:
    """What the user said; 0 where the rule decides."""
    found = brightness_of(layer)
    return found.value if found is not None and found.said else 0.0


def say_brightness(layer: Any, value: float) -> None:
    """Take the user's word; 0 goes back to the rule. Raises ``SettingsError``."""
    if value:
        layer.metadata[BRIGHTNESS] = checked_brightness(value)
    else:
        layer.metadata.pop(BRIGHTNESS, None)
