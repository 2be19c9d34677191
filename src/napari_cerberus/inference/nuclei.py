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

from .cutting import ObjectSettings
from .morphology import (
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
    found = _flood(foreground, seeds, height, keep_seedless=True)
    return _flood(foreground, _without_fragments(seeds, found, min_px), height, keep_seedless=True)


def _without_fragments(seeds: Labels, found: Labels, min_px: int) -> Labels:
    """Seeds without those whose share of the water is smaller than a nucleus: their neighbours take it."""
    large = np.bincount(found.ravel(), minlength=1) >= min_px
    return np.asarray(np.where(large[found], seeds, 0))


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


def _flood(foreground: Labels, seeds: Labels, height: Probability, *, keep_seedless: bool) -> Labels:
    """Share each foreground component among its seeds, by watershed only where it holds two or more."""
    labels = np.zeros_like(foreground)
    after = int(seeds.max(initial=0))
    for index, box in boxes(foreground):
        here = foreground[box] == index
        markers = np.where(here, seeds[box], 0)
        ids = np.unique(markers[markers > 0])
        if len(ids) > 1:
            labels[box][here] = watershed(-height[box], markers, mask=here)[here]
        elif len(ids) == 1 or keep_seedless:
            labels[box][here] = ids[0] if len(ids) else after + index
    return renumbered(labels)
