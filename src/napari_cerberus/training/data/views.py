"""A fixed number of augmented views of every tile, drawn again and again: what a cache of features needs."""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import numpy as np
import torch

from .sampler import Batch, Crop, TaskSampler, collate
from .tile_sources import Tile


@dataclass(frozen=True)
class View:
    """One augmentation of a tile.

    Attributes
    ----------
    kind : int
        Place of the batch kind in the config: its tasks are labelled.
    tile : Tile
    number : int
        0 .. ``cache_views`` - 1.
    crop_px : int
    """

    kind: int
    tile: Tile
    number: int
    crop_px: int


class ViewSampler(TaskSampler):
    """As ``TaskSampler``, but each tile has ``config.cache_views`` augmentations in all."""

    def draw(self, step: int) -> tuple[list[View], int]:
        """The views of step ``step``, and the seed that torch's generator gets for it (dropout)."""
        rng, seed, members, crop_px = self._drawn(step)
        views = [
            View(kind, tile, int(rng.integers(self._config.cache_views)), crop_px)
            for kind, count in members
            for tile in self._chosen(kind, count, rng)
        ]
        return views, seed

    def crop(self, view: View) -> Crop:
        """The view itself, the same at any step; seeds torch's generator."""
        rng = np.random.default_rng([self._config.seed, crc32(view.tile.id.encode()), view.number])
        torch.manual_seed(int(rng.integers(2**62)))
        return self._crop(view.tile, self._config.batches[view.kind].tasks, view.crop_px, rng)

    def batch(self, step: int) -> Batch:
        """The batch of step ``step`` as images, without any cache."""
        views, seed = self.draw(step)
        crops = [self.crop(view) for view in views]
        torch.manual_seed(seed)
        return collate(crops)
