"""How large a tile may be: what the network's features take, as measured, against what is free."""

from __future__ import annotations

import math

from ..model.network import Cerberus
from ..model.spec import STRIDE_PX

DEFAULT_TILE_PX = 1024
SMALLEST_DEFAULT_PX, _LEAST_MODEST_PX = 256, 448
"""Smaller tiles are mostly margin: they are taken only when memory has run short, or little of it is free."""
WHOLE_BYTES_PER_PX = {2: 840, 4: 1330, 8: 2660}
"""By bytes of a number: a pixel that a decoder sees, while it runs, the encoder's features included; on a CPU."""
WINDOW_BYTES_PER_PX = {2: 390, 4: 860, 8: 1720}
"""The same for a pixel of a tile with its margins while the encoder runs."""
_DECODER_REACH_PX = Cerberus.decoder_reach_px


def default_tile_px(shape: tuple[int, int], free_bytes: int | None, margin: int, bytes_per_value: int) -> int:
    """Side of the tiles for a padded image: all of it where that fits a quarter of the free memory.

    Otherwise a tile takes no more than an eighth, so that a laptop has room for the results; up to a third where it
    would be mostly margin.
    """
    height, width = shape
    whole = WHOLE_BYTES_PER_PX[bytes_per_value]
    largest = (DEFAULT_TILE_PX + 2 * margin) ** 2
    if height * width <= (largest if free_bytes is None else min(largest, free_bytes // 4 // whole)):
        return max(height, width)
    side = DEFAULT_TILE_PX
    if free_bytes is not None:
        modest, generous = (_side_within(free_bytes // share, margin, bytes_per_value) for share in (8, 3))
        side = min(side, max(modest, min(_LEAST_MODEST_PX, generous)))
    return max(SMALLEST_DEFAULT_PX, side // STRIDE_PX * STRIDE_PX)


def _side_within(budget: int, margin: int, bytes_per_value: int) -> int:
    """Side of a tile, inside of an image, whose features take ``budget`` bytes."""
    whole, window = (costs[bytes_per_value] for costs in (WHOLE_BYTES_PER_PX, WINDOW_BYTES_PER_PX))
    return min(math.isqrt(budget // window) - 2 * margin, math.isqrt(budget // whole) - 2 * _DECODER_REACH_PX)


def tile_bytes(tile_px: int, shape: tuple[int, int], margin: int, bytes_per_value: int) -> int:
    """Memory of the features of one tile of an image of ``shape``: of the encoder, or of a decoder if that is more."""
    window, seen = (
        math.prod(min(tile_px + 2 * beyond, side) for side in shape) for beyond in (margin, _DECODER_REACH_PX)
    )
    return max(window * WINDOW_BYTES_PER_PX[bytes_per_value], seen * WHOLE_BYTES_PER_PX[bytes_per_value])
