"""Where a mask falls apart by itself: basins of its distance map, joined again where no neck is between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from . import masks
from .window import Mask

NECK_DEPTH = 0.2
"""A neck separates two parts when it is at least this share narrower than the smaller one."""

_FLAT_PX = 1.5
"""Bulges with a smaller half-width are spikes and jags, not parts."""

_LARGE_PX = 160
"""Masks with a longer side are halved until they fit: a neck is seen as well at a quarter of the pixels."""

Passes = dict[tuple[int, int], float]


def parts_by_necks(mask: Mask, count: int | None) -> NDArray[np.int32]:
    """Number the bulges of a mask 1..n.

    Distance-transform watershed (Vincent and Soille 1991) with every local maximum as a marker, then the basins with
    the shallowest neck between them are joined, one pair at a time.

    Parameters
    ----------
    mask : (h, w) bool array, its edge rows and columns False
    count : int or None
        Join until so many are left; None: until every neck is at least ``NECK_DEPTH`` deep.

    Returns
    -------
    (h, w) int32 array
        0 outside the mask. There may be fewer parts than asked for.
    """
    step = int(2 ** np.ceil(np.log2(max(max(mask.shape) / _LARGE_PX, 1))))
    small = mask[::step, ::step]
    distance = ndimage.distance_transform_edt(np.pad(small, 1))[1:-1, 1:-1]
    distance = np.where(small, ndimage.gaussian_filter(distance, 1.0), 0)
    peaks, _ = masks.parts(small & (distance == ndimage.maximum_filter(distance, size=3)))
    basins = watershed(-distance, peaks, connectivity=masks.EIGHT, mask=small).astype(np.int32)
    joined = _joined(basins, distance, count)
    return joined if step == 1 else _enlarged(joined, mask, step)


def _enlarged(small: NDArray[np.int32], mask: Mask, step: int) -> NDArray[np.int32]:
    large = np.kron(small, np.ones((step, step), dtype=np.int32))[: mask.shape[0], : mask.shape[1]]
    large = np.where(mask, large, 0)
    return masks.spread(large, mask & (large == 0))


def _joined(basins: NDArray[np.int32], distance: NDArray[np.float64], count: int | None) -> NDArray[np.int32]:
    """Basins after joining those without a neck, numbered 1..n."""
    total = int(basins.max(initial=0))
    if total == 0:
        return basins
    heights = dict(enumerate(ndimage.maximum(distance, basins, range(1, total + 1)), start=1))
    passes = _passes(basins, distance)
    target = np.arange(total + 1)
    while passes and (count is None or len(heights) > count):
        pair = min(passes, key=lambda p: _neck_depth(passes[p], heights[p[0]], heights[p[1]]))
        if count is None and _neck_depth(passes[pair], heights[pair[0]], heights[pair[1]]) >= NECK_DEPTH:
            break
        keep, gone = pair
        heights[keep] = max(heights[keep], heights.pop(gone))
        target[target == gone] = keep
        passes = _redirected(passes, keep, gone)
    numbers = np.zeros(total + 1, dtype=np.int32)
    numbers[list(heights)] = np.arange(1, len(heights) + 1)
    return numbers[target[basins]]


def _neck_depth(saddle: float, height_a: float, height_b: float) -> float:
    """How much narrower a neck is than the smaller bulge, as a share of that; 0 for jags."""
    lower = min(height_a, height_b)
    return 0.0 if lower < _FLAT_PX else 1 - saddle / lower


def _passes(basins: NDArray[np.int32], distance: NDArray[np.float64]) -> Passes:
    """The widest place between each two touching basins, as half-width in pixels."""
    passes: Passes = {}
    for near, far in (
        (np.s_[:-1, :], np.s_[1:, :]),
        (np.s_[:, :-1], np.s_[:, 1:]),
        (np.s_[:-1, :-1], np.s_[1:, 1:]),
        (np.s_[1:, :-1], np.s_[:-1, 1:]),
    ):
        a, b = basins[near], basins[far]
        meet = (a != b) & (a > 0) & (b > 0)
        widths = np.minimum(distance[near], distance[far])[meet]
        for first, second, width in zip(a[meet].tolist(), b[meet].tolist(), widths.tolist(), strict=True):
            pair = (min(first, second), max(first, second))
            passes[pair] = max(passes.get(pair, 0.0), width)
    return passes


def _redirected(passes: Passes, keep: int, gone: int) -> Passes:
    result: Passes = {}
    for (a, b), width in passes.items():
        first, second = (keep if a == gone else a), (keep if b == gone else b)
        if first != second:
            pair = (min(first, second), max(first, second))
            result[pair] = max(result.get(pair, 0.0), width)
    return result


def equal_slices(mask: Mask, count: int) -> NDArray[np.int32]:
    """Cut a mask into ``count`` pieces of about equal area across its long axis, numbered 1..count.

    Pieces that fall apart give their smaller parts to their neighbours.
    """
    rows, cols = np.nonzero(mask)
    points = np.stack([rows, cols], axis=1) - [rows.mean(), cols.mean()]
    axis = np.linalg.eigh(points.T @ points)[1][:, -1]
    order = np.argsort(points @ axis, kind="stable")
    numbered = np.zeros(mask.shape, dtype=np.int32)
    numbered[rows[order], cols[order]] = np.arange(rows.size) * count // rows.size + 1
    for piece in range(1, count + 1):
        parts, n = masks.parts(numbered == piece)
        if n > 1:
            largest = np.bincount(parts.ravel())[1:].argmax() + 1
            numbered[(parts > 0) & (parts != largest)] = 0
    spread = masks.spread(numbered, mask & (numbered == 0))
    return np.where(mask & (spread == 0), 1, spread).astype(np.int32)
