"""Binary morphology with the reference's elliptic structuring elements, without OpenCV, and small label tools."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

BoolArray = NDArray[np.bool_]
Labels = NDArray[np.int32]
Probability = NDArray[np.float32]
Box = tuple[slice, slice]


def ellipse(size_px: int) -> BoolArray:
    """OpenCV's elliptic structuring element, ``(size_px, size_px)``.

    With r = size_px // 2, row i holds the columns r - w .. r + w (as far as they exist), where
    w = round(sqrt(r² - (i - r)²)), halves to even. An even size therefore is the next odd one without its last row
    and column. The anchor is (r, r).
    """
    radius = size_px // 2
    offset = np.arange(size_px) - radius
    half_width = np.rint(np.sqrt(radius**2 - offset**2))
    return np.asarray(np.abs(offset)[None, :] <= half_width[:, None])


def dilate(mask: BoolArray, element: BoolArray) -> BoolArray:
    """True where ``element``, its anchor put on that pixel, meets ``mask``; outside of the array is False.

    Each row of an ellipse is one run of pixels, so running sums do the work: the cost grows with the element's side,
    not with its area.

    Parameters
    ----------
    mask : (H, W) bool array
    element : (k, k) bool array
        Every row one run of True; the anchor is (k // 2, k // 2).
    """
    height, width = mask.shape
    size = element.shape[0]
    before = size // 2
    sums = np.zeros((height + size - 1, width + size), np.int32)
    rows = sums[before : before + height]
    np.cumsum(mask, axis=1, out=rows[:, before + 1 : before + 1 + width])
    rows[:, before + 1 + width :] = rows[:, before + width, None]
    grown = np.zeros(mask.shape, bool)
    for row in range(size):
        run = np.flatnonzero(element[row])
        first, stop = int(run[0]), int(run[-1]) + 1
        line = sums[row : row + height]
        grown |= line[:, stop : stop + width] > line[:, first : first + width]
    return grown


def erode(mask: BoolArray, element: BoolArray) -> BoolArray:
    """True where every pixel under ``element`` is True; outside of the array counts as True, as in OpenCV."""
    return ~dilate(~mask, element)


def components(mask: BoolArray, *, min_px: int = 1) -> Labels:
    """4-connected components of at least ``min_px`` pixels, numbered 1..n in the order of their first pixels."""
    labels, _count = ndimage.label(mask, output=np.int32)
    return drop_small(labels, min_px)


def drop_small(labels: Labels, min_px: int) -> Labels:
    """Without the objects of fewer than ``min_px`` pixels, renumbered 1..n in order."""
    large = np.bincount(labels.ravel(), minlength=1) >= max(min_px, 1)
    return keep_ids(labels, large)


def keep_ids(labels: Labels, keep: BoolArray) -> Labels:
    """The objects whose id is True in ``keep`` (length max id + 1), renumbered 1..n in order; 0 stays background."""
    keep = keep.copy()
    keep[0] = False
    return np.where(keep, np.cumsum(keep), 0).astype(np.int32)[labels]


def renumbered(labels: Labels) -> Labels:
    """The same objects with ids 1..n, in order, without gaps."""
    return keep_ids(labels, np.bincount(labels.ravel(), minlength=1) > 0)


def boxes(labels: Labels) -> Iterator[tuple[int, Box]]:
    """Id and bounding box of every object that has pixels."""
    for index, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is not None:
            yield index, box


def grow_box(box: Box, margin_px: int, shape: tuple[int, ...]) -> Box:
    """``box`` enlarged by ``margin_px`` on every side, as far as the array goes."""
    rows, columns = (
        slice(max(0, side.start - margin_px), min(size, side.stop + margin_px))
        for side, size in zip(box, shape, strict=True)
    )
    return rows, columns


def odd_diameter_px(diameter_um: float, pixel_size_um: float) -> int:
    """Diameter of an element as the nearest odd number of pixels; at least 3, so that it does something."""
    return max(3, 2 * round((diameter_um / pixel_size_um - 1) / 2) + 1)
