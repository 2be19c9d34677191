"""Stain in optical density: jitter of haematoxylin and eosin, and the stain of one tile laid over another.

Both work on densities that are never clipped, so what changes nothing changes no pixel. Density is
-log((level + 1) / 256): it exists for black, and goes back to the same level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from skimage.color import rgb_from_hed
from torch import Tensor

_STAINS = torch.tensor(rgb_from_hed, dtype=torch.float32)
"""Density (R, G, B) of one unit of haematoxylin, eosin and residual (Ruifrok and Johnston 2001)."""

_LEVELS = 256.0
_VECTOR_SHARE = 0.3
_SHIFT_SHARE = 0.06
_TISSUE_DENSITY = 0.12
_MAX_GAIN = 2.0
_SAMPLE_PX = 20_000


@dataclass(frozen=True, kw_only=True)
class Palette:
    """Mean and standard deviation of haematoxylin, eosin and residual over a tile's tissue; (3,) float32 each."""

    mean: Tensor
    spread: Tensor


def density(image: Tensor) -> Tensor:
    """Optical density (3, H, W) float32 of a (3, H, W) uint8 tensor."""
    return -torch.log((image.float() + 1) / _LEVELS)


def picture(dense: Tensor) -> Tensor:
    """The inverse of ``density``, as uint8."""
    return (torch.exp(-dense) * _LEVELS - 1).round().clamp(0, 255).to(torch.uint8)


def stain_jitter(image: Tensor, strength: float) -> Tensor:
    """Other amounts of each stain and slightly other dyes (after Tellez et al. 2018). (3, H, W) uint8 → the same.

    At strength s amounts are multiplied by 1/(1+s) .. 1+s, each stain on its own, the dyes' colours turn by up to
    about 0.3·s of their length, and the background shifts by up to 0.06·s in density. At 0 nothing changes.
    """
    factor = (1 + strength) ** (2 * torch.rand(3) - 1)
    factor[2] = 1.0
    turned = _STAINS + _VECTOR_SHARE * strength * (2 * torch.rand(3, 3) - 1)
    turned = turned / turned.norm(dim=1, keepdim=True) * _STAINS.norm(dim=1, keepdim=True) if strength else _STAINS
    shift = _SHIFT_SHARE * strength * (2 * torch.rand(3) - 1)
    through = torch.linalg.inv(_STAINS) @ torch.diag(factor) @ turned
    dense = torch.einsum("chw,cd->dhw", density(image), through) + shift[:, None, None]
    return picture(dense)


def palette_of(image: Tensor) -> Palette | None:
    """The palette of a (3, H, W) uint8 tensor; None where it holds too little tissue."""
    dense = density(image).flatten(1)
    dense = dense[:, :: max(1, dense.shape[1] // _SAMPLE_PX)]
    tissue = dense[:, dense.mean(0) > _TISSUE_DENSITY]
    if tissue.shape[1] < 100:
        return None
    amounts = torch.linalg.inv(_STAINS).T @ tissue
    return Palette(mean=amounts.mean(1), spread=amounts.std(1) + 1e-3)


def with_stain_of(image: Tensor, own: Palette, other: Palette, share: float) -> Tensor:
    """A tile in the stain of another one, in part (``share`` 0..1); bare glass stays as it is."""
    dense = density(image)
    gain = (other.spread / own.spread).clamp(1 / _MAX_GAIN, _MAX_GAIN)
    amounts = torch.einsum("chw,cd->dhw", dense, torch.linalg.inv(_STAINS))
    wanted = (amounts - own.mean[:, None, None]) * gain[:, None, None] + other.mean[:, None, None]
    cover = share * (dense.mean(0) / _TISSUE_DENSITY).clamp(0, 1)
    return picture(dense + cover * torch.einsum("chw,cd->dhw", wanted - amounts, _STAINS))


def noisy(image: Tensor, levels: float) -> Tensor:
    """Gaussian sensor noise of a standard deviation in grey levels."""
    return (image.float() + levels * torch.randn(image.shape)).round().clamp(0, 255).to(torch.uint8)


def elastic_alpha(rms_px: float, sigma_px: float) -> float:
    """torchvision's ``alpha`` for a displacement of ``rms_px`` (both axes together) smoothed over ``sigma_px``.

    It smooths uniform noise of -1..1 (standard deviation 1/√3), which divides it by 2·√π·sigma, and alpha / 2 is px.
    """
    return 2 * rms_px / math.sqrt(2) * math.sqrt(3) * 2 * math.sqrt(math.pi) * sigma_px
