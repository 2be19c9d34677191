"""Whether an image file still is what was annotated."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ..annotation.frame import image_key
from ..inference.images.rgb import as_rgb8


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
    return key in (image_key(pixels), image_key(rgb))
