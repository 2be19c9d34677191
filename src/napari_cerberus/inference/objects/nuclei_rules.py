"""Nuclei: the published rule, and the midline rule for models of our own.

Published (Graham et al. 2023): foreground is inner + contour > threshold, eroded by the contour's width; seeds are
components of inner > threshold; what has no seed is lost. At 0.5 µm/px this is right. At 1 µm/px the inner part of a
nucleus is a few pixels wide and seldom certain: most nuclei had no seed and were lost (recall 0.25 on TNBC tiles).

Midline: the network is taught a contour that reaches as far outside of the outline as inside, so the outline runs
where inner + half of the contour passes a threshold. Seeds are the peaks of the smoothed inner probability; a
foreground without a peak is one nucleus. What of the watershed is smaller than a nucleus goes to its neighbours.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.segmentation import watershed

from .structuring import (
    BoolArray,
    Labels,
    Probability,
    boxes,
    components,
    ellipse,
    erode,
    keep_ids,
    odd_diameter_px,
    renumbered,
)
from .thresholds import ObjectSettings

_MIDLINE_SHARE = np.float32(0.5)
_PEAK_PX = 3
_CORNERS_TOO = np.ones((3, 3), bool)


def find(inner: Probability, contour: Probability, pixel_size_um: float, settings: ObjectSettings) -> Labels:
    """Instance labels of nuclei by the rule of ``settings``; arguments as of ``postprocess.find_objects``."""
    if settings.rule == "midline":
        return _by_midline(inner, contour, pixel_size_um, settings)
    return _as_published(inner, contour, pixel_size_um, settings)


def level(inner: Probability, contour: Probability, pixel_size_um: float, settings: ObjectSettings) -> Probability:
    """How far each pixel is inside the foreground, above 0 inside; (h, w) float32."""
    threshold = np.float32(settings.threshold)
    if settings.rule == "midline":
        return np.asarray(inner + _MIDLINE_SHARE * contour - threshold)
    element = ellipse(odd_diameter_px(settings.contour_diameter_um, pixel_size_um))
    lowest = ndimage.minimum_filter(inner + contour, footprint=element, mode="constant", cval=1.0)
    return np.asarray(lowest - threshold)


def _by_midline(inner: Probability, contour: Probability, pixel_size_um: float, settings: ObjectSettings) -> Labels:
    inside = level(inner, contour, pixel_size_um, settings) > 0
    min_px = settings.min_px(pixel_size_um)
    foreground = components(inside, min_px=min_px)
    height = ndimage.gaussian_filter(inner, settings.seed_smoothing_um / pixel_size_um)
    peaks = (ndimage.maximum_filter(height, _PEAK_PX) == height) & (foreground > 0)
    seeds, _count = ndimage.label(peaks, _CORNERS_TOO, output=np.int32)
    return _flood(foreground, seeds, height, keep_seedless=True, min_px=min_px)


def _as_published(inner: Probability, contour: Probability, pixel_size_um: float, settings: ObjectSettings) -> Labels:
    element = ellipse(odd_diameter_px(settings.contour_diameter_um, pixel_size_um))
    foreground = components(erode(inner + contour > settings.threshold, element), min_px=settings.min_px(pixel_size_um))
    seeds = _published_seeds(inner, settings, settings.marker_min_px(pixel_size_um))
    return _flood(foreground, components(ndimage.binary_fill_holes(seeds)), inner, keep_seedless=False)


def _published_seeds(inner: Probability, settings: ObjectSettings, min_px: int) -> BoolArray:
    """Pixels of the watershed's seeds: components of the published threshold, plus or minus the faint ones."""
    seeds = components(inner > settings.marker_threshold, min_px=min_px)
    needed = settings.faintest_seed
    if needed is None or needed == settings.marker_threshold:
        return np.asarray(seeds > 0)
    if needed > settings.marker_threshold:
        bright = np.zeros(int(seeds.max(initial=0)) + 1, bool)
        bright[seeds[inner > needed]] = True
        return np.asarray(keep_ids(seeds, bright) > 0)
    faint = components(inner > needed, min_px=min_px)
    fresh = np.ones(int(faint.max(initial=0)) + 1, bool)
    fresh[faint[seeds > 0]] = False
    return np.asarray((seeds > 0) | (keep_ids(faint, fresh) > 0))


def _flood(foreground: Labels, seeds: Labels, height: Probability, *, keep_seedless: bool, min_px: int = 1) -> Labels:
    """Share each foreground component among its seeds, by watershed only where it holds two or more.

    A share of less than ``min_px`` is no nucleus: its seed is dropped, and its neighbours take the water.
    """
    labels = np.zeros_like(foreground)
    after = int(seeds.max(initial=0))
    for index, box in boxes(foreground):
        here = foreground[box] == index
        markers = np.where(here, seeds[box], 0)
        shares = _shares(here, markers, height[box])
        ids, areas = np.unique(shares[here], return_counts=True)
        if (fragments := ids[areas < min_px]).size:
            shares = _shares(here, np.where(np.isin(shares, fragments), 0, markers), height[box])
        if keep_seedless and not shares.any():
            shares[here] = after + index
        labels[box][here] = shares[here]
    return renumbered(labels)


def _shares(here: BoolArray, markers: Labels, height: Probability) -> Labels:
    """One component shared among its seeds; 0 where it has none."""
    ids = np.unique(markers[markers > 0])
    if len(ids) > 1:
        return np.asarray(watershed(-height, markers, mask=here), np.int32)
    return np.where(here, ids[0] if len(ids) else 0, 0).astype(np.int32)
