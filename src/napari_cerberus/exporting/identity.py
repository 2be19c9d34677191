"""Whether an image file still is what was annotated."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..annotation.frame import image_key
from ..inference.image import as_rgb8

_WHOLE_BYTES = 32 << 20
_PATCH_PX, _PATCHES = 128, 5


def is_of(key: str, pixels: NDArray[Any]) -> bool:
    """Whether ``key`` of an annotation is that of an image, as the dock or the library makes it.

    Parameters
    ----------
    key : str
        ``annotation.frame.Frame.image_key``.
    pixels : (H, W, channels) array
        As stored; napari may have shown them as 8-bit RGB.
    """
    rgb = as_rgb8(pixels)
    return key in (layer_key(pixels), layer_key(rgb), image_key(rgb))


def layer_key(pixels: NDArray[Any]) -> str:
    """The key that the dock gives an image layer with these pixels, in one resolution."""
    shape = tuple(int(size) for size in pixels.shape)
    digest = hashlib.blake2b(repr((shape, pixels.dtype.str)).encode(), digest_size=16)
    parts = [pixels]
    if pixels.nbytes > _WHOLE_BYTES:
        corners = [np.linspace(0, max(size - _PATCH_PX, 0), _PATCHES).astype(int).tolist() for size in shape[:2]]
        parts = [pixels[y : y + _PATCH_PX, x : x + _PATCH_PX] for y in corners[0] for x in corners[1]]
    for part in parts:
        digest.update(np.ascontiguousarray(part).tobytes())
    return hashlib.sha256(f"napari-cerberus layer {digest.hexdigest()}".encode()).hexdigest()
