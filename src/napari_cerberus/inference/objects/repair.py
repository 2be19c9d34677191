"""Mending of instance labels, one object at a time, never into a neighbour.

A plain morphological closing glues neighbouring glands together. Here a pixel is added to an object only if it is
background and touches no other object, corners included, so objects that are one pixel apart stay apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from ...tasks import GLANDS, LUMINA
from ..annotate_settings import RepairSettings
from .structuring import (
    BoolArray,
    Box,
    Labels,
    boxes,
    components,
    dilate,
    ellipse,
    erode,
    grow_box,
    odd_diameter_px,
    renumbered,
)

_EIGHT = np.ones((3, 3), bool)


@dataclass(frozen=True, kw_only=True)
class RepairSizes:
    """How far the repair of one task's objects goes.

    Attributes
    ----------
    closing_diameter_um : float
        Notches up to about this wide are closed.
    smoothing_um : float
        Standard deviation of the Gaussian that smooths outlines.
    split_contour : float
        A line of contour probability above this parts an object.
    split_share : float
        Neither part may be smaller than this share of the object.
    """

    closing_diameter_um: float
    smoothing_um: float
    split_contour: float = 0.3
    split_share: float = 0.15


SIZES: Mapping[str, RepairSizes] = {
    GLANDS: RepairSizes(closing_diameter_um=6.0, smoothing_um=1.5),
    LUMINA: RepairSizes(closing_diameter_um=3.0, smoothing_um=0.8),
}
"""Nuclei are round and a few pixels wide: only their holes are filled."""


def repair(
    task: str, labels: Labels, contour: NDArray[np.float32], pixel_size_um: float, settings: RepairSettings
) -> Labels:
    """Apply the steps that ``settings`` asks for; ids are 1..n again afterwards.

    Parameters
    ----------
    task : str
    labels : (h, w) int32 array
        Left as it is.
    contour : (h, w) float32 array
        Contour probability.
    pixel_size_um : float
        Of the model grid.
    """
    sizes = SIZES.get(task)
    if sizes is not None and settings.split_touching:
        labels = split_touching(labels, contour, sizes.split_contour, sizes.split_share)
    if sizes is not None and settings.close_gaps:
        labels = close_gaps(labels, odd_diameter_px(sizes.closing_diameter_um, pixel_size_um))
    if settings.fill_holes:
        labels = fill_holes(labels)
    if sizes is not None and settings.smooth:
        labels = smooth(labels, sizes.smoothing_um / pixel_size_um)
    return labels


def fill_holes(labels: Labels) -> Labels:
    """Fill background regions that a single object surrounds; a hole with another object in it stays."""
    holes, count = ndimage.label(labels == 0)
    if count == 0 or not labels.any():
        return labels
    lowest = np.full(count + 1, np.iinfo(np.int32).max, np.int32)
    highest = np.zeros(count + 1, np.int32)
    for here, there in _neighbour_pairs(holes, labels):
        np.minimum.at(lowest, here, there)
        np.maximum.at(highest, here, there)
    owner = np.where(lowest == highest, highest, 0)
    for edge in (holes[0], holes[-1], holes[:, 0], holes[:, -1]):
        owner[edge] = 0
    owner[0] = 0
    return np.where(labels > 0, labels, owner[holes]).astype(np.int32)


def close_gaps(labels: Labels, diameter_px: int) -> Labels:
    """Close each object on its own with an elliptic element of an odd diameter."""
    element = ellipse(diameter_px)

    def closed(mask: BoolArray) -> BoolArray:
        return erode(dilate(mask, element), element)

    return _each(labels, closed, diameter_px, may_shrink=False)


def smooth(labels: Labels, sigma_px: float) -> Labels:
    """Smooth each outline; an object that would vanish or fall apart loses nothing."""

    def smoothed(mask: BoolArray) -> BoolArray:
        return np.asarray(ndimage.gaussian_filter(mask.astype(np.float32), sigma_px, mode="nearest") > 0.5)

    return _each(labels, smoothed, int(np.ceil(4 * sigma_px)), may_shrink=True)


def split_touching(
    labels: Labels, contour: NDArray[np.float32], contour_threshold: float, smallest_share: float
) -> Labels:
    """Part objects along contour that crosses them; the new objects are numbered after the old ones."""
    labels = labels.copy()
    last = int(labels.max(initial=0))
    for index, box in list(boxes(labels)):
        here = labels[box] == index
        smallest = max(1, int(smallest_share * here.sum()))
        cores = components(here & (contour[box] <= contour_threshold), min_px=smallest)
        if cores.max(initial=0) < 2:
            continue
        parts = watershed(contour[box], cores, mask=here)
        moved = parts > 1
        labels[box][moved] = last + parts[moved] - 1
        last += int(parts.max()) - 1
    return labels


def clip_lumina(lumina: Labels, glands: Labels) -> Labels:
    """Lumina without what lies outside of glands; those that lose everything are gone, the rest is renumbered."""
    return renumbered(np.where(glands > 0, lumina, 0).astype(np.int32))


def _each(labels: Labels, change: Callable[[BoolArray], BoolArray], margin_px: int, *, may_shrink: bool) -> Labels:
    """Replace each object's mask by ``change`` of it, as far as its neighbours allow."""
    labels = labels.copy()
    for index, box in list(boxes(labels)):
        box = grow_box(box, margin_px + 1, labels.shape)
        mask = labels[box] == index
        wanted = change(mask)
        if may_shrink and _one_piece(mask & wanted):
            labels[box][mask & ~wanted] = 0
        _claim(labels, box, index, wanted)
    return labels


def _claim(labels: Labels, box: Box, index: int, wanted: BoolArray) -> None:
    """Give an object the free pixels it wants that touch nobody else."""
    here = labels[box]
    others = (here > 0) & (here != index)
    free = (here == 0) & ~ndimage.binary_dilation(others, _EIGHT)
    here[wanted & free] = index


def _one_piece(mask: BoolArray) -> bool:
    return int(ndimage.label(mask)[1]) == 1


def _neighbour_pairs(holes: Labels, labels: Labels) -> list[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Hole numbers and the object ids beside them, for the four directions."""
    pairs = []
    for axis in (0, 1):
        ahead, behind = np.s_[1:], np.s_[:-1]
        for first, second in ((ahead, behind), (behind, ahead)):
            one = (first, slice(None)) if axis == 0 else (slice(None), first)
            two = (second, slice(None)) if axis == 0 else (slice(None), second)
            edge = (holes[one] > 0) & (labels[two] > 0)
            pairs.append((holes[one][edge], labels[two][edge]))
    return pairs
