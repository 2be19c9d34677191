"""A tile with outlines over it, as one inline SVG: the picture as JPEG, what was drawn and what was found as paths."""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.measure import find_contours

from .markup import Markup, element

_LARGEST_PX = 640
_JPEG_QUALITY = 88


def overlay(image: NDArray[np.uint8], truth: NDArray[Any] | None, predicted: NDArray[Any] | None, title: str) -> Markup:
    """Picture and outlines.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
    truth, predicted : (H, W) integer arrays or None
        Instance labels on the image's grid.
    title : str
        For readers that cannot see the picture.
    """
    height, width = image.shape[:2]
    paths = [
        element("path", d=outlines(labels), class_=kind)
        for labels, kind in ((truth, "drawn"), (predicted, "found"))
        if labels is not None
    ]
    return element(
        "svg",
        element("title", title),
        element("image", href=_jpeg(image), width=width, height=height, preserveAspectRatio="none"),
        paths,
        viewBox=f"0 0 {width} {height}",
        class_="overlay",
        role="img",
    )


def outlines(labels: NDArray[Any]) -> str:
    """SVG path of every object's outline, holes and all; coordinates of pixel corners.

    Parameters
    ----------
    labels : (H, W) integer array
    """
    ids, numbered = np.unique(labels, return_inverse=True)  # ids may have huge gaps, which find_objects cannot take
    numbered = numbered.reshape(labels.shape) + int(ids[0] > 0)
    parts = [
        _ring(line, box)
        for index, box in enumerate(ndimage.find_objects(numbered), start=1)
        for line in find_contours(np.pad(numbered[box] == index, 1).astype(np.float32), 0.5)
    ]
    return "".join(parts)


def _ring(line: NDArray[np.float64], box: tuple[slice, slice]) -> str:
    # The box was padded by one pixel, and a pixel's centre lies half a pixel from its corner.
    y, x = line[:, 0] + box[0].start - 0.5, line[:, 1] + box[1].start - 0.5
    points = "L".join(f"{column:g} {row:g}" for column, row in zip(x, y, strict=True))
    return f"M{points}Z"


def _jpeg(image: NDArray[np.uint8]) -> str:
    picture = Image.fromarray(image)
    shrink = _LARGEST_PX / max(picture.size)
    if shrink < 1:
        size = [max(1, math.floor(side * shrink)) for side in picture.size]
        picture = picture.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
