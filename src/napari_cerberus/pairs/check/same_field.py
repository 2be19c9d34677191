"""Views of one field: shifted, overlapping, cropped, turned or mirrored copies of the same tissue.

Corners of a small grey copy are described by ORB (Rublee et al. 2011); equal parts of their bits (locality-sensitive
hashing) bring together tiles that share corners. Such a pair counts only where the corners agree on one turn and shift
(RANSAC) *and* the pictures, laid over each other, look alike: tissue has many corners that resemble each other, but no
two places that do. ``benchmarks/same_field.py`` prints what is found among real tiles of different patients.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.cluster.hierarchy import DisjointSet
from skimage.feature import ORB, match_descriptors
from skimage.measure import ransac
from skimage.transform import SimilarityTransform, warp

_SCALE = 2
_MOST_CORNERS = 150
_LEAST_SIDE_PX, _LEAST_CONTRAST = 48, 0.03
_TABLES, _KEY_BITS, _NEIGHBOURS = 16, 18, 8
_MAX_DISTANCE_BITS = 64
_LEAST_VOTES, _LEAST_CORNERS = 4, 6
_RESIDUAL_PX, _TRIALS = 2.0, 200
_LEAST_OVERLAP_PX = 600
_MIN_CORRELATION = 0.8
_SCALES = (0.8, 1.25)


@dataclass(frozen=True, slots=True)
class FieldPrint:
    """What is kept of a tile to recognise other views of its tissue.

    Attributes
    ----------
    grey : (H, W) uint8 array
        Small grey copy.
    corners : (n, 2) float64 array
        Row and column in ``grey``.
    bits, mirrored : (n, 32) uint8 arrays
        The 256 bits that describe each corner, and the same corner in a mirror.
    """

    grey: NDArray[np.uint8]
    corners: NDArray[np.float64]
    bits: NDArray[np.uint8]
    mirrored: NDArray[np.uint8]

    def turned_over(self) -> FieldPrint:
        """The same in a mirror."""
        return FieldPrint(self.grey[:, ::-1], _turned_over(self.corners, self.grey.shape[1]), self.mirrored, self.bits)


def field_print(image: NDArray[np.uint8]) -> FieldPrint:
    """Corners of an (H, W, 3) or (H, W) uint8 image; none where it has no structure or is small."""
    grey_image = Image.fromarray(image).convert("L")
    size = (max(1, grey_image.width // _SCALE), max(1, grey_image.height // _SCALE))
    grey = np.asarray(grey_image.resize(size, Image.Resampling.BOX))
    none = np.zeros((0, 32), np.uint8)
    nothing = FieldPrint(grey, np.zeros((0, 2)), none, none)
    if min(grey.shape) < _LEAST_SIDE_PX:
        return nothing
    values = grey.astype(np.float32) / 255
    orb = ORB(n_keypoints=_MOST_CORNERS, n_scales=1, fast_threshold=_LEAST_CONTRAST)
    try:
        orb.detect_and_extract(values)
    except RuntimeError:  # no corner at all: glass, or one colour
        return nothing
    corners, bits = np.asarray(orb.keypoints, np.float64), orb.descriptors
    turned = _turned_over(corners, grey.shape[1])
    orb.extract(np.ascontiguousarray(values[:, ::-1]), turned, np.ones(len(turned)), np.pi - orb.orientations)
    kept = orb.mask_  # corners too near to the edge for the mirror, by rounding
    return FieldPrint(grey, corners[kept], np.packbits(bits[kept], axis=1), np.packbits(orb.descriptors, axis=1))


def views_of_one_field(prints: Sequence[FieldPrint]) -> Iterator[tuple[int, int]]:
    """Yield index pairs ``i < j`` that show the same tissue, enough of them to connect all views of a field.

    Two views that are connected through others are not compared, so that hundreds of views of one field stay quick.
    """
    groups = DisjointSet(range(len(prints)))
    for first, second in _candidates(prints):
        if not groups.connected(first, second) and _alike(prints[first], prints[second]):
            groups.merge(first, second)
            yield first, second


def _candidates(prints: Sequence[FieldPrint]) -> list[tuple[int, int]]:
    """Pairs of tiles with several corners alike, those with most first."""
    count = np.array([len(one.corners) for one in prints])
    if not count.sum():
        return []
    packed = np.concatenate([*(one.bits for one in prints), *(one.mirrored for one in prints)])
    bits = np.unpackbits(packed, axis=1)
    tile = np.tile(np.repeat(np.arange(len(prints)), count), 2)
    plain = np.arange(len(tile)) < count.sum()
    rng = np.random.default_rng(0)
    found = [_same_key(bits[:, rng.permutation(256)[:_KEY_BITS]], tile, plain, packed) for _ in range(_TABLES)]
    corners = np.unique(np.concatenate(found), axis=0)
    pairs, votes = np.unique(np.sort(tile[corners], axis=1), axis=0, return_counts=True)
    order = np.argsort(-votes, kind="stable")
    return [(int(a), int(b)) for a, b in pairs[order[votes[order] >= _LEAST_VOTES]]]


def _same_key(
    part: NDArray[np.uint8], tile: NDArray[np.int64], plain: NDArray[np.bool_], packed: NDArray[np.uint8]
) -> NDArray[np.int64]:
    """Pairs of corners of different tiles with this part of their bits equal and the rest close; (n, 2)."""
    keys = part @ (1 << np.arange(_KEY_BITS, dtype=np.int64))
    order = np.argsort(keys, kind="stable")
    found = []
    for step in range(1, _NEIGHBOURS + 1):
        first, second = order[:-step], order[step:]
        both = (keys[first] == keys[second]) & (tile[first] != tile[second]) & (plain[first] | plain[second])
        first, second = first[both], second[both]
        distance = np.bitwise_count(packed[first] ^ packed[second]).sum(axis=1)
        near = distance <= _MAX_DISTANCE_BITS
        found.append(np.column_stack([first[near], second[near]]))
    return np.sort(np.concatenate(found), axis=1)


def _alike(first: FieldPrint, second: FieldPrint) -> bool:
    """Whether one lies over the other, as it is or mirrored."""
    return _fits(first, second) or _fits(first.turned_over(), second)


def _fits(first: FieldPrint, second: FieldPrint) -> bool:
    bits = (np.unpackbits(one.bits, axis=1).astype(bool) for one in (first, second))
    pairs = match_descriptors(*bits, max_distance=_MAX_DISTANCE_BITS / 256, cross_check=True)
    if len(pairs) < _LEAST_CORNERS:
        return False
    source, target = first.corners[pairs[:, 0], ::-1], second.corners[pairs[:, 1], ::-1]
    model, inliers = ransac(
        (source, target), SimilarityTransform, 2, _RESIDUAL_PX, max_trials=_TRIALS, rng=np.random.default_rng(0)
    )
    if model is None or inliers is None or inliers.sum() < _LEAST_CORNERS:
        return False
    like = _correlation(first.grey, second.grey, model) >= _MIN_CORRELATION
    return like and bool(_SCALES[0] <= model.scale <= _SCALES[1])


def _correlation(first: NDArray[np.uint8], second: NDArray[np.uint8], model: SimilarityTransform) -> float:
    """Of the part that both show; 0 where it is small or has no structure."""
    laid = warp(first.astype(np.float64), model.inverse, output_shape=second.shape, order=1, cval=np.nan)
    both = np.isfinite(laid)
    if both.sum() < _LEAST_OVERLAP_PX:
        return 0.0
    one, other = laid[both] - laid[both].mean(), second[both] - float(second[both].mean())
    length = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float((one * other).sum()) / length if length > 0 else 0.0


def _turned_over(corners: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    return np.column_stack([corners[:, 0], width - 1 - corners[:, 1]])
