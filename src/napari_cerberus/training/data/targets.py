"""Training targets from instance labels (Graham et al. 2023; weight map of Ronneberger et al. 2015).

Inner = object eroded, contour = dilated minus eroded. Sizes are stated in µm and hold at any pixel size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import regionprops

from ...tasks import GLANDS, LUMINA, NUCLEI

BACKGROUND, INNER, CONTOUR = 0, 1, 2

CONTOUR_UM = {NUCLEI: 1.5, LUMINA: 1.5, GLANDS: 5.5}
"""Diameter of the structuring element: 3, 3 and 11 px at the published 0.5 µm/px."""

NEIGHBOUR_GAIN = 10.0
_REACH = 3.0


def kernel_px(task: str, pixel_size_um: float) -> int:
    """Odd diameter, in px, of a task's structuring element; at least 3."""
    return max(3, 2 * round((CONTOUR_UM.get(task, 1.5) / pixel_size_um - 1) / 2) + 1)


def disc(diameter_px: int) -> NDArray[np.bool_]:
    """Discrete disc of an odd diameter; 3 gives the 4-neighbour cross, as OpenCV's ellipse does."""
    radius = diameter_px // 2
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(y * y + x * x <= radius * radius + (radius > 1))


def instance_target(labels: NDArray[np.int32], task: str, pixel_size_um: float) -> NDArray[np.uint8]:
    """Class of every pixel: 0 background, 1 inner, 2 contour.

    Parameters
    ----------
    labels : (H, W) integer array
        Instance labels on the model grid, 0 = background.
    task : str
        Task key; sets the width of the contour.
    pixel_size_um : float

    Returns
    -------
    (H, W) uint8 array
    """
    element = disc(kernel_px(task, pixel_size_um))
    # Edge values are repeated, so that an object cut by the tile border gets no contour along the cut.
    pad = element.shape[0] // 2
    padded = np.pad(labels, pad, mode="edge")
    lowest = ndimage.minimum_filter(padded, footprint=element, mode="nearest")
    highest = ndimage.maximum_filter(padded, footprint=element, mode="nearest")
    inner = (padded > 0) & (lowest == highest)
    target = np.where(inner, INNER, np.where(highest > 0, CONTOUR, BACKGROUND)).astype(np.uint8)
    return target[pad : pad + labels.shape[0], pad : pad + labels.shape[1]]


def neighbour_weights(labels: NDArray[np.int32], task: str, pixel_size_um: float) -> NDArray[np.float32]:
    """U-Net weight map 1 + 10·exp(−((d1 + d2)/k)² / 2): pixels between close neighbours weigh more.

    d1 and d2 are distances to the nearest and second-nearest object, k the task's structuring element, all in px.

    Returns
    -------
    (H, W) float32 array
    """
    k = CONTOUR_UM.get(task, 1.5) / pixel_size_um
    reach = int(np.ceil(_REACH * k)) + 1
    nearest = np.full(labels.shape, np.inf, np.float32)
    second = nearest.copy()
    for index, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        window = tuple(
            slice(max(0, s.start - reach), min(size, s.stop + reach)) for s, size in zip(box, labels.shape, strict=True)
        )
        distance = ndimage.distance_transform_edt(labels[window] != index).astype(np.float32)
        first = nearest[window]
        second[window] = np.minimum(second[window], np.maximum(first, distance))
        nearest[window] = np.minimum(first, distance)
    total = np.where(labels > 0, np.inf, nearest + second)
    return (1.0 + NEIGHBOUR_GAIN * np.exp(-((total / k) ** 2) / 2)).astype(np.float32)


def _ellipse_um(diameter_um: float, pixel_size_um: tuple[float, float]) -> NDArray[np.bool_]:
    """Disc of µm on pixels of any height and width; at least 3 px along each axis."""
    if pixel_size_um[0] == pixel_size_um[1]:
        return disc(max(3, 2 * round((diameter_um / pixel_size_um[0] - 1) / 2) + 1))
    radii = [max(1.5, diameter_um / 2 / side) for side in pixel_size_um]
    y, x = (np.arange(-int(radius), int(radius) + 1) / radius for radius in radii)
    return np.asarray(y[:, None] ** 2 + x[None, :] ** 2 <= 1.0)


LUMEN_MAX_OPTICAL_DENSITY = 0.12
LUMEN_MIN_AREA_UM2 = 150.0
LUMEN_SMOOTHING_UM = 1.3
LUMEN_OPENING_UM = 6.5
LUMEN_MIN_SOLIDITY = 0.35


def weak_lumina(
    image: NDArray[np.uint8], glands: NDArray[np.int32], pixel_size_um: tuple[float, float]
) -> NDArray[np.int32]:
    """**Weak label**: lumina as bright regions enclosed by a gland.

    The rule: mean optical density, smoothed over 1.3 µm, below 0.12 of the tile's own white level; opened with a disc
    of 6.5 µm, which takes off goblet cells; at least 150 µm²; solidity of 0.35 or more; touching no pixel outside its
    gland. Pale mucin beside a lumen can pass, and a lumen filled with mucus or debris is missed: nobody drew these.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
    glands : (H, W) integer array
        Gland instance labels.
    pixel_size_um : (float, float)
        Height and width of a pixel.

    Returns
    -------
    (H, W) int32 array
        Lumen instance labels.
    """
    white = np.maximum(np.percentile(image.reshape(-1, 3), 99, axis=0), 190.0)
    density = -np.log10(np.clip(image / white, 1 / 255, 1.0)).mean(axis=2)
    smooth = ndimage.gaussian_filter(density, [LUMEN_SMOOTHING_UM / side for side in pixel_size_um])
    opening = _ellipse_um(LUMEN_OPENING_UM, pixel_size_um)
    bright = ndimage.binary_opening(ndimage.binary_fill_holes(smooth < LUMEN_MAX_OPTICAL_DENSITY), opening)
    enclosed, count = ndimage.label(bright)
    keep = np.zeros(count + 1, bool)
    for region in regionprops(enclosed):
        large = region.area * pixel_size_um[0] * pixel_size_um[1] >= LUMEN_MIN_AREA_UM2
        keep[region.label] = large and region.solidity >= LUMEN_MIN_SOLIDITY
    keep[np.unique(enclosed[ndimage.binary_dilation(glands == 0)])] = False
    return np.asarray(np.where(keep, np.cumsum(keep), 0)[enclosed], dtype=np.int32)
