"""The encoder's features of an image, computed once and kept: learning and annotating again start from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..inference.device import Runtime
from ..inference.grid.model_grid import Window, pad_to_stride, plan, round_up
from ..model.network import Cerberus
from ..model.spec import STRIDE_PX
from ..progress import Job, Progress

Axes = tuple[int, ...]
"""Axes of an image, 0 and 1, along which it is mirrored."""

_TILE_PX = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """Feature maps of one image on the model grid, or of a mirrored copy of it.

    Attributes
    ----------
    levels : tuple of (1, C, h / f, w / f) tensors
        What the encoder gives, full size first; (h, w) is padded to multiples of 16 px.
    mirrored : tuple of int
        Axes along which the image was mirrored before the encoder read it.
    """

    levels: tuple[Tensor, ...]
    mirrored: Axes = ()

    @property
    def whole(self) -> Window:
        """The padded image."""
        height, width = self.levels[0].shape[-2:]
        return Window(0, 0, height, width)

    @property
    def nbytes(self) -> int:
        """Memory that the maps take."""
        return sum(level.nbytes for level in self.levels)

    def crop(self, window: Window) -> tuple[Tensor, ...]:
        """Maps of a part of the (mirrored) image; its edges are multiples of 16 px."""
        height = self.whole.y1
        return tuple(
            level[(..., *window.coarser(height // level.shape[-2]).slices)].clone(memory_format=torch.channels_last)
            for level in self.levels
        )


def bytes_per_px(network: Cerberus, runtime: Runtime) -> int:
    """Memory of all feature maps per pixel of the model grid."""
    with torch.no_grad():
        pixels = torch.zeros(1, 3, STRIDE_PX, STRIDE_PX, device=runtime.device, dtype=runtime.dtype)
        numbers = sum(level.numel() for level in network.encode(pixels))
    return -(-numbers // STRIDE_PX**2) * runtime.dtype.itemsize


def read_features(
    image: NDArray[np.uint8], network: Cerberus, runtime: Runtime, *, mirrored: Axes = ()
) -> Job[Features]:
    """Run the encoder over an image, tile by tile; tiling changes nothing.

    Parameters
    ----------
    image : (h, w, 3) uint8 array
        On the model grid.
    network : Cerberus
        Ready for ``runtime``, in evaluation mode.
    mirrored : tuple of int
        Axes to mirror the image along first.

    Yields
    ------
    Progress
        At every tile.
    """
    padded = np.flip(pad_to_stride(image), mirrored)
    parts = plan(padded.shape[:2], _TILE_PX, round_up(network.encoder_reach_px))
    levels: list[Tensor] = []
    for done, tile in enumerate(parts):
        yield Progress("Reading the image", done, len(parts))
        found = _encoded(padded[tile.window.slices], network, runtime)
        if len(parts) == 1:
            return Features(levels=tuple(found), mirrored=mirrored)
        factors = [tile.window.shape[0] // level.shape[-2] for level in found]
        levels = levels or [_empty(level, padded.shape[:2], f) for level, f in zip(found, factors, strict=True)]
        for level, part, factor in zip(levels, found, factors, strict=True):
            inner = tile.valid.inside(tile.window).coarser(factor)
            level[(..., *tile.valid.coarser(factor).slices)] = part[(..., *inner.slices)]
    return Features(levels=tuple(levels), mirrored=mirrored)


@torch.no_grad()
def _encoded(pixels: NDArray[np.uint8], network: Cerberus, runtime: Runtime) -> Sequence[Tensor]:
    image = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None]
    return network.encode(image.to(runtime.device).to(runtime.dtype, memory_format=torch.channels_last))


def _empty(level: Tensor, shape: tuple[int, int], factor: int) -> Tensor:
    made = torch.empty(1, level.shape[1], shape[0] // factor, shape[1] // factor, dtype=level.dtype)
    return made.to(level.device, memory_format=torch.channels_last)
