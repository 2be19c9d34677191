"""Images and instance labels on another grid: images smoothly, labels by how much of a pixel an object covers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...progress import Job, Progress
from ..label_arrays import object_boxes

_SAME_SCALE = 1e-3
_MARGIN_PX = 2
_ROUNDING = 1e-5
_EVERY = 256


def same_scale(factor: float) -> bool:
    """Whether a change of scale is too small to matter; the pixels are then left as they are."""
    return abs(factor - 1.0) < _SAME_SCALE


def scaled_shape(shape: tuple[int, int], factors: tuple[float, float]) -> tuple[int, int]:
    """Height and width after scaling by a factor each; at least one pixel each."""
    rows, columns = (
        side if same_scale(factor) else max(1, round(side * factor))
        for side, factor in zip(shape, factors, strict=True)
    )
    return rows, columns


def resample_image(image: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize an (H, W, 3) image to ``shape``, smoothed first where it shrinks."""
    if image.shape[:2] == shape:
        return image
    resized = Image.fromarray(image).resize(shape[::-1], Image.Resampling.BICUBIC)
    return np.asarray(resized, dtype=np.uint8)


def resample_labels(labels: NDArray[np.integer], shape: tuple[int, int]) -> Job[NDArray[np.int32]]:
    """Resize instance labels to ``shape``.

    A pixel belongs to objects if they cover more than half of it, and then to the one that covers most. So objects
    stay apart where the gap between them fills half a pixel, and areas are kept.

    Parameters
    ----------
    labels : (H, W) integer array
    shape : (height, width)

    Yields
    ------
    Progress
        Where there is anything to do.

    Returns
    -------
    (height, width) int32 array with the same ids; objects much smaller than a pixel may be gone
    """
    if labels.shape == shape:
        return labels.astype(np.int32)
    best = np.zeros(shape, np.float32)
    total = np.zeros(shape, np.float32)
    result = np.zeros(shape, np.int32)
    for done, (id_, box) in enumerate(object_boxes(labels)):
        if done % _EVERY == 0:
            yield Progress("Resampling objects", done)
        target, cover = _coverage(labels, id_, box, shape)
        total[target] += cover
        ahead = cover > best[target]
        best[target][ahead] = cover[ahead]
        result[target][ahead] = id_
    result[total <= 0.5 + _ROUNDING] = 0
    return result


def _coverage(
    labels: NDArray[np.integer], id_: int, box: tuple[slice, slice], shape: tuple[int, int]
) -> tuple[tuple[slice, slice], NDArray[np.float32]]:
    """Share of each target pixel that an object covers, in the target box that holds it."""
    target, source = zip(*(_spans(box[axis], labels.shape[axis], shape[axis]) for axis in (0, 1)), strict=True)
    (y0, y1), (x0, x1) = source
    # Pillow reads a float box; what lies outside the array counts as background, so a frame is laid around it.
    top, left = int(np.floor(y0)) - _MARGIN_PX, int(np.floor(x0)) - _MARGIN_PX
    bottom, right = int(np.ceil(y1)) + _MARGIN_PX, int(np.ceil(x1)) + _MARGIN_PX
    framed = np.zeros((bottom - top, right - left), np.float32)
    rows = slice(max(top, 0), min(bottom, labels.shape[0]))
    columns = slice(max(left, 0), min(right, labels.shape[1]))
    inside = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
    framed[inside] = labels[rows, columns] == id_
    shrinks = shape[0] * shape[1] < labels.size
    picture = Image.fromarray(framed).resize(
        (target[1].stop - target[1].start, target[0].stop - target[0].start),
        Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR,
        box=(x0 - left, y0 - top, x1 - left, y1 - top),
    )
    return (target[0], target[1]), np.asarray(picture, dtype=np.float32)


def _spans(source: slice, source_size: int, target_size: int) -> tuple[slice, tuple[float, float]]:
    """Target pixels that an interval of source pixels reaches, with a margin, and what they cover of the source."""
    factor = target_size / source_size
    start = max(int(np.floor(source.start * factor)) - 1, 0)
    stop = min(int(np.ceil(source.stop * factor)) + 1, target_size)
    return slice(start, stop), (start / factor, stop / factor)
