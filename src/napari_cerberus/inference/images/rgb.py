"""From any array a viewer or a file may hold to 8-bit RGB, or one sentence on why it cannot be annotated."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import ImageError
from .brightness import found_brightness

RgbImage = NDArray[np.uint8]

_OVERSHOOT = 1.01
"""Resampled images overshoot full brightness a little; that is not worth a word."""
_BAND_PIXELS = 1 << 22
_MASK_VALUES = 2


def as_rgb8(array: ArrayLike, full_brightness: float | None = None) -> RgbImage:
    """A contiguous 8-bit RGB copy of ``array``; see ``to_rgb8``, which also says what had to be mended."""
    return to_rgb8(array, full_brightness)[0]


def to_rgb8(array: ArrayLike, full_brightness: float | None = None) -> tuple[RgbImage, tuple[str, ...]]:
    """Convert an image to 8-bit RGB.

    What is not 8-bit is scaled so that full brightness becomes 255; 8-bit pictures stay as they are. Transparent
    pixels, NaN and infinite ones become white.

    Parameters
    ----------
    array : (H, W, 3) or (H, W, 4) array of uint8, any other integer or float; leading axes of length 1 are dropped.
    full_brightness : float, optional
        Value that becomes 255, as somebody said or as the whole picture has it; ``brightness.found_brightness`` of
        ``array`` where it is not given.

    Returns
    -------
    rgb : (H, W, 3) uint8 array
        C-contiguous, never a view of ``array``.
    notes : tuple of str
        Sentences for the user about pixels that had to be mended, or a picture without colour.

    Raises
    ------
    ImageError
        If it is empty, grey, a mask, a stack, or holds numbers that are no brightness.
    """
    pixels = _checked(array)
    rgb = np.empty((*pixels.shape[:2], 3), np.uint8)
    eight_bits = pixels.dtype == np.uint8
    white = found_brightness(pixels) if full_brightness is None or eight_bits else full_brightness
    mended = 0
    step = max(1, _BAND_PIXELS // pixels.shape[1])
    for start in range(0, len(pixels), step):
        mended += _convert(pixels[start : start + step], white, rgb[start : start + step])
    notes = [f"{mended} pixels are not numbers (NaN or infinite) and were taken as white."] if mended else []
    notes += _brightness_notes(pixels, white)
    if _is_colourless(rgb):
        notes.append("The image has no colour; the model knows H&E in colour only, so do not rely on the result.")
    return rgb, tuple(notes)


def _checked(array: ArrayLike) -> NDArray[Any]:
    """``array`` as (H, W, 3 or 4) numbers. Raises ``ImageError``."""
    try:
        pixels = np.asarray(array)
    except ValueError as error:
        raise ImageError("The image is a list of arrays of different sizes; choose one of them.") from error
    if pixels.dtype == bool:
        raise ImageError("This is a mask (only True and False), not a picture; choose the H&E image.")
    if pixels.dtype.kind not in "uif":
        raise ImageError(f"The image holds {pixels.dtype} values, which are no colours; choose an RGB image.")
    while pixels.ndim > 3 and pixels.shape[0] == 1:
        pixels = pixels[0]
    if pixels.size == 0:
        raise ImageError("The image is empty (no pixels); choose a region that lies on the image.")
    if pixels.ndim != 3 or pixels.shape[-1] not in (3, 4):
        raise ImageError(_shape_complaint(pixels.shape))
    return pixels


def _shape_complaint(shape: tuple[int, ...]) -> str:
    size = " × ".join(str(side) for side in shape)
    if len(shape) == 2 or (len(shape) == 3 and shape[-1] == 1):
        return f"The image is grey ({size}); annotation needs a colour (RGB) picture of an H&E slide."
    if len(shape) == 3 and shape[0] in (3, 4):
        return f"The image has its colours first ({size}); open it as RGB, with the colours on the last axis."
    if len(shape) >= 3:
        return f"The image is a stack ({size}); choose one RGB plane of it, with 3 or 4 colours on the last axis."
    return f"The image has {len(shape)} axis ({size}); annotation needs height, width and colours."


def _brightness_notes(pixels: NDArray[Any], white: float) -> list[str]:
    """What counts as full brightness where that had to be found out, and whether anything is brighter."""
    if pixels.dtype == np.uint8:
        return []
    brighter = int((pixels[..., :3] > white * _OVERSHOOT).any(axis=-1).sum())
    if pixels.dtype.kind == "f" and not brighter:
        return []
    cut = f"; {brighter} brighter pixels were cut to it" if brighter else ""
    return [f"{white:,.0f} was taken as full brightness{cut}."]


def _convert(band: NDArray[Any], white: float, out: RgbImage) -> int:
    """Fill ``out`` from some rows of the image; returns how many pixels were not finite."""
    colours = band[..., :3]
    if band.dtype == np.uint8 and band.shape[-1] == 3:
        out[:] = colours
        return 0
    values = colours.astype(np.float32) * np.float32(255.0 / white)
    broken = ~np.isfinite(values).all(axis=-1)
    values[broken] = 255.0
    if band.shape[-1] == 4:
        opacity = np.clip(np.nan_to_num(band[..., 3:].astype(np.float32) / _opaque(band, white)), 0.0, 1.0)
        values = values * opacity + 255.0 * (1.0 - opacity)
    out[:] = np.rint(np.clip(values, 0.0, 255.0)).astype(np.uint8)
    return int(broken.sum())


def _opaque(band: NDArray[Any], white: float) -> np.float32:
    """Value of full opacity: the type's own maximum for 8 and 16 bits, whatever bits the colours use."""
    return np.float32(np.iinfo(band.dtype).max if band.dtype in (np.uint8, np.uint16) else white)


def _is_colourless(rgb: RgbImage) -> bool:
    """True for a grey picture saved as RGB; plain glass is no such thing. Raises ``ImageError`` for a mask."""
    red, green, blue = (rgb[..., channel] for channel in range(3))
    if not (np.array_equal(red, green) and np.array_equal(green, blue)):
        return False
    values = np.flatnonzero(np.bincount(red.ravel(), minlength=256))
    if len(values) == _MASK_VALUES:
        raise ImageError("This looks like a mask saved as a picture (two grey values); choose the H&E image.")
    return len(values) > _MASK_VALUES
