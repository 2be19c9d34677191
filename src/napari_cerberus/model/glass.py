"""How bright the plain glass of an image is, and from what brightness a pixel counts as glass.

Glass is flat: blocks of it hardly differ within, are colourless and bright. Where an image shows some, it is the
measure; else glass is taken to be nearly white. A grey slide is then no tissue, and pale tissue is no glass.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WHITE_GLASS = 245
"""Brightness of glass where an image shows none."""
_DARKER = 25
_BLOCK_PX, _BAND_ROWS = 8, 512
_LEAST_SHARE = 0.05
_MOST_UNEVEN, _DARKEST, _MOST_COLOUR = 3.5, 180, 25
_BRIGHT_QUANTILE = 0.9


def glass_brightness(image: NDArray[np.uint8]) -> int:
    """Brightness of the glass, in the channel that is darkest; ``WHITE_GLASS`` where none is seen or it is brighter.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
    """
    height, width = (side // _BLOCK_PX * _BLOCK_PX for side in image.shape[:2])
    if not height or not width:
        return WHITE_GLASS
    parts = [_flat_blocks(image[row : min(row + _BAND_ROWS, height), :width]) for row in range(0, height, _BAND_ROWS)]
    flat = np.concatenate(parts)
    if len(flat) < _LEAST_SHARE * (height // _BLOCK_PX) * (width // _BLOCK_PX):
        return WHITE_GLASS
    return min(WHITE_GLASS, round(float(np.quantile(flat, _BRIGHT_QUANTILE))))


def darkest_channel(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The least of each pixel's three values, (H, W) uint8; many times as fast as ``image.min(axis=2)``."""
    return np.minimum(np.minimum(image[..., 0], image[..., 1]), image[..., 2])


def glass_min(image: NDArray[np.uint8]) -> int:
    """The value of a pixel's darkest channel from which it is plain glass; 220 where the glass is white."""
    return glass_brightness(image) - _DARKER


def _flat_blocks(band: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Brightness of the blocks of some rows that are flat, colourless and bright."""
    darkest = _blocks(darkest_channel(band))
    mean = darkest.mean(axis=1)
    flat = (darkest.std(axis=1) <= _MOST_UNEVEN) & (mean >= _DARKEST)
    brightest = np.maximum(np.maximum(band[..., 0], band[..., 1]), band[..., 2])
    flat &= _blocks(brightest).mean(axis=1) - mean <= _MOST_COLOUR
    return np.asarray(mean[flat])


def _blocks(values: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H, W) as (blocks, pixels of a block)."""
    height, width = values.shape
    rows = values.reshape(height // _BLOCK_PX, _BLOCK_PX, width // _BLOCK_PX, _BLOCK_PX)
    return rows.swapaxes(1, 2).reshape(-1, _BLOCK_PX**2).astype(np.float32)
