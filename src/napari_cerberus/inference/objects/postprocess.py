"""From probabilities to instance labels, in the reference's way (Graham et al. 2023), sizes stated in µm.

At 0.5 µm/px, balanced sensitivity and the published settings the partitions are the reference's, pixel for pixel.
Objects are worked on one bounding box at a time, so the cost grows with what is in the image, not with its size.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ...tasks import NUCLEI
from . import nuclei_rules
from .structuring import (
    BoolArray,
    Labels,
    Probability,
    boxes,
    components,
    dilate,
    ellipse,
    grow_box,
    keep_ids,
    odd_diameter_px,
    renumbered,
)
from .thresholds import PUBLISHED, ObjectSettings, settings_for

__all__ = ["PUBLISHED", "ObjectSettings", "drop_outside", "find_objects", "foreground_level", "settings_for"]


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
        return nuclei_rules.find(inner, contour, pixel_size_um, settings)
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
    if task == NUCLEI:
        return nuclei_rules.level(inner, contour, pixel_size_um, settings)
    diameter = odd_diameter_px(settings.contour_diameter_um, pixel_size_um)
    firm = inner - (contour > settings.contour_threshold).astype(np.float32)
    highest = ndimage.maximum_filter(firm, footprint=ellipse(diameter - 1), mode="constant", cval=-1.0)
    return np.asarray(highest - np.float32(settings.threshold))


def drop_outside(lumina: Labels, glands: Labels) -> Labels:
    """Without the lumina that touch no gland, renumbered; both (h, w) int32."""
    inside = np.zeros(int(lumina.max(initial=0)) + 1, bool)
    inside[lumina[glands > 0]] = True
    return keep_ids(lumina, inside)


def _glands(inner: Probability, contour: Probability, pixel_size_um: float, settings: ObjectSettings) -> Labels:
    firm = inner - (contour > settings.contour_threshold) > settings.threshold
    cores = components(firm, min_px=settings.min_px(pixel_size_um))
    # The reference dilates with one pixel less than the contour's width: E(10) for 11, E(2) for 3.
    element = ellipse(odd_diameter_px(settings.contour_diameter_um, pixel_size_um) - 1)
    labels = np.zeros_like(cores)
    for index, box in boxes(cores):
        box = grow_box(box, len(element), cores.shape)
        labels[box][_grown(cores[box] == index, element)] = index
    return renumbered(labels)


def _grown(core: BoolArray, element: BoolArray) -> BoolArray:
    return np.asarray(ndimage.binary_fill_holes(dilate(core, element)))
