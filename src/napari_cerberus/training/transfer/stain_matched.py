"""Training tiles in the colours of drawn tissue: what the base model knows of such tissue, seen in a stain it knows.

Drawn tissue alone is poor in what makes glands hard. Where tiles of a fine-tune are stained unlike all that the base
model learned from, the same tiles with the colours of ordinary H&E are the nearest thing to its own training data, and
its answers there are as good as they ever were. Tiles in a known stain are left out: the base model's answers on them
are what the user has corrected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.exposure import match_histograms
from torch import Tensor

from ...model.spec import ModelSpec
from ...model.stain_profile import distance, profile_of, stain_of
from ..data.tile_sources import LoadedTile, Tile
from ..validation import chosen_tiles, on_model_grid


def out_of_domain_tiles(
    base: ModelSpec, tiles: Sequence[Tile], loaded: Mapping[str, LoadedTile], most: int
) -> list[str]:
    """Ids of at most ``most`` tiles, spread evenly, stained unlike the base model's; none where it has no record."""
    known = stain_of(base)
    if known is None:
        return []
    profiles = ((tile, profile_of(loaded[tile.id].image)) for tile in tiles)
    out_of_domain = [tile for tile, profile in profiles if profile is not None and distance(profile, known) > 1]
    return [tile.id for tile in chosen_tiles(out_of_domain, most)] if out_of_domain else []


def stain_matched(tile: LoadedTile, like: NDArray[np.uint8], side_px: int, pixel_size_um: float) -> Tensor:
    """The middle of a tile with the histogram of each colour matched to that of ``like``.

    Parameters
    ----------
    tile : LoadedTile
    like : (h, w, 3) uint8 array
    side_px : int
        Side of the result at ``pixel_size_um``; a smaller tile is mirrored beyond its edges.
    pixel_size_um : float

    Returns
    -------
    (1, 3, side, side) float32 tensor, 0..255
    """
    whole = on_model_grid(tile, pixel_size_um)[0][0].permute(1, 2, 0).numpy()
    short = [max(0, side_px - side) for side in whole.shape[:2]]
    padded = np.pad(whole, [(0, short[0]), (0, short[1]), (0, 0)], mode="symmetric")
    top, left = ((side - side_px) // 2 for side in padded.shape[:2])
    middle = padded[top : top + side_px, left : left + side_px]
    matched = match_histograms(middle, like.astype(np.float32), channel_axis=-1)
    return torch.from_numpy(np.ascontiguousarray(matched, np.float32)).permute(2, 0, 1)[None]
