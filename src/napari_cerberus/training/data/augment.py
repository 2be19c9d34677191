"""From a stored tile to an augmented crop on the model grid, image and labels alike.

Geometry and sharpness come from torchvision's v2 transforms, stain from ``colour``. Randomness comes
from ``torch``'s and the given numpy generator only, so a seeded step can be repeated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from ..run_settings import AugmentSettings
from .colour import elastic_alpha, noisy, stain_jitter

_BLUR_KERNELS_PX = (3, 5, 7)
_ELASTIC_SIGMA_PX = 10.0


def crop_window(
    image: NDArray[np.uint8],
    labels: Mapping[str, NDArray[np.int32]],
    *,
    side_px: int,
    zoom: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Cut a random square of ``side_px`` model pixels and resample it; the image is mirrored where it ends.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
    labels : mapping of task key to (H, W) int32 array
    side_px : int
        Side of the result.
    zoom : (float, float)
        Model pixels per stored pixel, along y and x.

    Returns
    -------
    image : (3, side_px, side_px) uint8 tensor
    labels : mapping of task key to (side_px, side_px) int32 tensor
    """
    source_px = [max(1, round(side_px / one)) for one in zoom]
    window = []
    for size, wanted in zip(image.shape[:2], source_px, strict=True):
        slack = size - wanted
        start = int(rng.integers(min(slack, 0) // 2, max(slack, 0) + 1)) if slack >= 0 else slack // 2
        window.append(_mirrored(np.arange(start, start + wanted), size))
    rows, columns = window
    pixels = tv_tensors.Image(torch.from_numpy(image[rows][:, columns]).permute(2, 0, 1))
    resized = functional.resize(pixels, [side_px, side_px], antialias=True)
    down, across = (nearest_index(wanted, side_px) for wanted in source_px)
    masks = {key: torch.from_numpy(value[rows[down]][:, columns[across]]) for key, value in labels.items()}
    return resized, masks


def nearest_index(source_px: int, size_px: int) -> NDArray[np.int64]:
    """Which of ``source_px`` samples lies under the centre of each of ``size_px``, as the image's resampling has them.

    torchvision's own for masks takes the corner instead: labels would be shifted by up to half a pixel.
    """
    return ((np.arange(size_px) + 0.5) * source_px / size_px).astype(np.int64).clip(max=source_px - 1)


class Elastic(v2.ElasticTransform):  # type: ignore[misc]
    """torchvision's own, drawing the same displacement, but smoothing along one axis after the other: it is faster."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The displacement, (1, H, W, 2) float32, in the units of ``grid_sample``."""
        height, width = v2.query_size(flat_inputs)
        axes = []
        for size, alpha, sigma in zip((width, height), self.alpha, self.sigma, strict=True):
            side = min(int(8 * sigma + 1) | 1, 2 * min(height, width) - 1)
            noise = torch.rand(1, 1, height, width) * 2 - 1
            for kernel in ([side, 1], [1, side]):
                noise = functional.gaussian_blur(noise, kernel, list(self.sigma))
            axes.append(noise * alpha / size)
        return {"displacement": torch.cat(axes, 1).permute(0, 2, 3, 1)}


def augment(
    image: Tensor, labels: Mapping[str, Tensor], settings: AugmentSettings, crop_px: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """Deform, rotate and flip image and labels together, cut the centre, then change colours and sharpness.

    Parameters
    ----------
    image : (3, H, W) uint8 tensor
        Larger than ``crop_px`` by ``margin_factor`` where rotation is on.
    labels : mapping of task key to (H, W) int32 tensor

    Returns
    -------
    (3, crop_px, crop_px) uint8 tensor and labels of the same size
    """
    keys = list(labels)
    stack = tv_tensors.Mask(torch.stack([labels[key] for key in keys])) if keys else None
    geometry = v2.Compose(
        [
            v2.RandomApply([_elastic(settings)], p=settings.elastic),
            v2.RandomApply(
                [v2.RandomRotation(settings.rotation_deg, functional.InterpolationMode.BILINEAR)],
                p=settings.rotation,
            ),
            v2.CenterCrop(crop_px),
            v2.RandomHorizontalFlip(settings.flip),
            v2.RandomVerticalFlip(settings.flip),
        ]
    )
    if stack is None:
        pixels, masks = geometry(tv_tensors.Image(image)), {}
    else:
        pixels, moved = geometry(tv_tensors.Image(image), stack)
        masks = {key: moved[i] for i, key in enumerate(keys)}
    return _appearance(pixels, settings), masks


def _elastic(settings: AugmentSettings) -> Elastic:
    return Elastic(alpha=elastic_alpha(settings.elastic_px, _ELASTIC_SIGMA_PX), sigma=_ELASTIC_SIGMA_PX)


def margin_factor(settings: AugmentSettings) -> float:
    """How much larger than the crop a window must be, so that a rotated crop meets no empty corner."""
    if settings.rotation == 0:
        return 1.0
    angle = math.radians(min(settings.rotation_deg, 45.0))
    return math.cos(angle) + math.sin(angle)


def _appearance(image: Tensor, settings: AugmentSettings) -> Tensor:
    jitter = v2.ColorJitter(brightness=settings.brightness, contrast=settings.contrast)
    blurs = [v2.GaussianBlur(kernel) for kernel in _BLUR_KERNELS_PX]
    if torch.rand(()) < settings.stain:
        image = stain_jitter(image, settings.stain_strength)
    image = v2.RandomApply([jitter], p=settings.brightness_contrast)(image)
    if torch.rand(()) < settings.resolution:
        image = _coarser(image, 1 + float(torch.rand(())) * (settings.resolution_factor - 1))
    image = v2.RandomApply([v2.RandomChoice(blurs)], p=settings.blur)(image)
    if torch.rand(()) < settings.noise:
        image = noisy(image, settings.noise_levels * float(torch.rand(())))
    return v2.RandomApply([v2.JPEG(settings.jpeg_quality)], p=settings.jpeg)(image)  # type: ignore[no-any-return]


def _coarser(image: Tensor, factor: float) -> Tensor:
    height, width = image.shape[-2:]
    small = [max(1, round(height / factor)), max(1, round(width / factor))]
    shrunk = functional.resize(image, small, antialias=True)
    enlarged: Tensor = functional.resize(shrunk, [height, width], antialias=True)
    return enlarged


def _mirrored(index: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Indices outside 0..size−1 reflected back into it, as often as needed."""
    period = 2 * size
    folded = np.mod(index, period)
    return np.asarray(np.where(folded < size, folded, period - 1 - folded))
