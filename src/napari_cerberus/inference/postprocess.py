"""From probabilities to instance labels: the reference's rules (Graham et al. 2023), sizes stated in µm.

At 0.5 µm/px, balanced sensitivity and the published thresholds the partitions are the reference's, pixel for pixel.
Objects are worked on one bounding box at a time, so the cost grows with what is in the image, not with its size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from ..errors import SettingsError
from ..tasks import GLANDS, LUMINA, NUCLEI
from .morphology import (
    BoolArray,
    Labels,
    boxes,
    components,
    dilate,
    ellipse,
    erode,
    grow_box,
    keep_ids,
    odd_diameter_px,
)

Probability = NDArray[np.float32]

_FULL_LEAN_LOGITS = 1.5
"""Sensitivity ±1 moves a threshold by this much in log-odds: 0.5 becomes 0.18 or 0.82."""


@dataclass(frozen=True, kw_only=True)
class ObjectSettings:
    """How the objects of one task are cut out of its probabilities; the defaults of each task are the published ones.

    Attributes
    ----------
    threshold : float
        Nuclei: of inner + contour; glands and lumina: of inner where the contour is weak.
    marker_threshold : float
        Nuclei only: of inner, for the seeds of the watershed; it parts neighbours, whatever the sensitivity.
    faintest_seed : float or None
        Nuclei only: the inner probability that a seed must reach. Below ``marker_threshold`` it adds faint nuclei,
        above it drops them, and neither glues nor splits the others. None, as published: ``marker_threshold``.
    contour_threshold : float
        Glands and lumina: a pixel above it is contour and parts objects.
    contour_diameter_um : float
        Width of the contour that the network was taught: what dilation gives back, or erosion takes off.
    min_area_um2 : float
        Smaller objects are dropped (before the contour is given back); objects of exactly this size stay.
    marker_min_area_um2 : float
        Nuclei only: smaller seeds are dropped.
    """

    threshold: float
    contour_diameter_um: float
    min_area_um2: float
    marker_threshold: float = 0.5
    faintest_seed: float | None = None
    contour_threshold: float = 0.5
    marker_min_area_um2: float = 0.0

    def __post_init__(self) -> None:
        for name in ("threshold", "marker_threshold", "contour_threshold"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise SettingsError(f"{name} must lie between 0 and 1, not {getattr(self, name)}.")

    def leaning(self, sensitivity: float) -> ObjectSettings:
        """Thresholds moved toward recall (+1) or precision (-1); 0 changes nothing. The contour still parts objects.

        Raises
        ------
        SettingsError
            If ``sensitivity`` is outside -1..1.
        """
        if not -1.0 <= sensitivity <= 1.0:
            raise SettingsError(f"sensitivity must lie in -1..1, not {sensitivity}.")
        return replace(
            self,
            threshold=_lean(self.threshold, sensitivity),
            faintest_seed=_lean(self.faintest_seed or self.marker_threshold, sensitivity)
            if sensitivity
            else self.faintest_seed,
        )

    def min_px(self, pixel_size_um: float) -> int:
        """Smallest object, in pixels."""
        return _pixels(self.min_area_um2, pixel_size_um)

    def marker_min_px(self, pixel_size_um: float) -> int:
        """Smallest seed, in pixels."""
        return _pixels(self.marker_min_area_um2, pixel_size_um)


PUBLISHED: Mapping[str, ObjectSettings] = {
    NUCLEI: ObjectSettings(threshold=0.5, contour_diameter_um=1.5, min_area_um2=2.0, marker_min_area_um2=1.0),
    GLANDS: ObjectSettings(threshold=0.55, contour_diameter_um=5.5, min_area_um2=250.0),
    LUMINA: ObjectSettings(threshold=0.5, contour_diameter_um=1.5, min_area_um2=37.5),
}
"""Published thresholds; areas of 8 and 4, 1000 and 150 px and widths of 3, 11 and 3 px at 0.5 µm/px."""


def settings_for(task: str, threshold: float | None = None) -> ObjectSettings:
    """The published settings of a task (those of lumina for an unknown one), with a model's own threshold if given.

    Raises
    ------
    SettingsError
        If the threshold does not lie between 0 and 1.
    """
    published = PUBLISHED.get(task, PUBLISHED[LUMINA])
    if threshold is None:
        return published
    # A nucleus needs a seed as well as a mask: a threshold that moved one alone would find no nucleus more.
    return replace(published, threshold=threshold, faintest_seed=threshold if task == NUCLEI else None)


def find_objects(
    task: str,
    inner: Probability,
    contour: Probability,
    pixel_size_um: float,
    settings: ObjectSettings | None = None,
) -> Labels:
    """Instance labels of one task.

    Parameters
    ----------
    task : str
        ``nuclei`` are parted by watershed; every other task is cut like glands.
    inner, contour : (h, w) float32 arrays
        Probabilities on the model grid.
    pixel_size_um : float
        Of the model grid.
    settings : ObjectSettings, optional
        The published ones of the task by default.

    Returns
    -------
    (h, w) int32 array
        Ids 1..n.
    """
    settings = settings or settings_for(task)
    if task == NUCLEI:
        return _nuclei(inner, contour, pixel_size_um, settings)
    return _glands(inner, contour, pixel_size_um, settings)


def foreground_level(
    task: str,
    inner: Probability,
    contour: Probability,
    pixel_size_um: float,
    settings: ObjectSettings | None = None,
) -> Probability:
    """How far each pixel is inside the foreground that ``find_objects`` cuts: above 0 inside, same arguments.

    Its zero line, interpolated, is the smooth outline of the objects between pixel centres. (h, w) float32.
    """
    settings = settings or settings_for(task)
    diameter = odd_diameter_px(settings.contour_diameter_um, pixel_size_um)
    if task == NUCLEI:
        lowest = ndimage.minimum_filter(inner + contour, footprint=ellipse(diameter), mode="constant", cval=1.0)
        return np.asarray(lowest - np.float32(settings.threshold))
    firm = inner - (contour > settings.contour_threshold).astype(np.float32)
    highest = ndimage.maximum_filter(firm, footprint=ellipse(diameter - 1), mode="constant", cval=-1.0)
    return np.asarray(highest - np.float32(settings.threshold))


def drop_outside(lumina: Labels, glands: Labels) -> Labels:
    """Without the lumina that touch no gland, renumbered; both (h, w) int32."""
    inside = np.zeros(int(lumina.max(initial=0)) + 1, bool)
    inside[lumina[glands > 0]] = True
    return keep_ids(lumina, inside)


def _nuclei(inner: Probability, contour: Probability, pixel_size_um: float, settings: ObjectSettings) -> Labels:
    element = ellipse(odd_diameter_px(settings.contour_diameter_um, pixel_size_um))
    foreground = components(erode(inner + contour > settings.threshold, element), min_px=settings.min_px(pixel_size_um))
    seeds = _seeds(inner, settings, settings.marker_min_px(pixel_size_um))
    return _flood(foreground, components(ndimage.binary_fill_holes(seeds)), inner)


def _seeds(inner: Probability, settings: ObjectSettings, min_px: int) -> BoolArray:
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


def _flood(foreground: Labels, seeds: Labels, inner: Probability) -> Labels:
    """Share each foreground component among its seeds, by watershed only where it holds two or more."""
    labels = np.zeros_like(foreground)
    for index, box in boxes(foreground):
        here = foreground[box] == index
        markers = np.where(here, seeds[box], 0)
        ids = np.unique(markers[markers > 0])
        if len(ids) == 1:
            labels[box][here] = ids[0]
        elif len(ids) > 1:
            labels[box][here] = watershed(-inner[box], markers, mask=here)[here]
    present = np.zeros(int(labels.max(initial=0)) + 1, bool)
    present[labels] = True
    return keep_ids(labels, present)


def _glands(inner: Probability, contour: Probability, pixel_size_um: float, settings: ObjectSettings) -> Labels:
    firm = inner - (contour > settings.contour_threshold) > settings.threshold
    cores = components(firm, min_px=settings.min_px(pixel_size_um))
    # The reference dilates with one pixel less than the contour's width: E(10) for 11, E(2) for 3.
    element = ellipse(odd_diameter_px(settings.contour_diameter_um, pixel_size_um) - 1)
    labels = np.zeros_like(cores)
    for index, box in boxes(cores):
        box = grow_box(box, len(element), cores.shape)
        labels[box][_grown(cores[box] == index, element)] = index
    present = np.zeros(int(labels.max(initial=0)) + 1, bool)
    present[labels] = True
    return keep_ids(labels, present)


def _grown(core: BoolArray, element: BoolArray) -> BoolArray:
    return np.asarray(ndimage.binary_fill_holes(dilate(core, element)))


def _lean(threshold: float, sensitivity: float) -> float:
    if sensitivity == 0.0:
        return threshold
    odds = math.log(threshold / (1.0 - threshold)) - sensitivity * _FULL_LEAN_LOGITS
    return 1.0 / (1.0 + math.exp(-odds))


def _pixels(area_um2: float, pixel_size_um: float) -> int:
    # A hair less, so that 250 µm² at 0.5 µm/px stays 1000 px whatever the rounding of the division.
    return max(1, math.ceil(area_um2 / pixel_size_um**2 - 1e-6))
