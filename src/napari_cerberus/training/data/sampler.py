"""Which tiles stand in which batch. Step ``n`` of a seeded run always draws the same tiles: nothing to store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import DataError
from ..config import TrainConfig
from ..run_settings import BatchSettings
from .augment import augment, crop_window, margin_factor
from .colour import Palette, palette_of, with_stain_of
from .targets import instance_target, neighbour_weights
from .tile_sources import LoadedTile, Tile

_MIN_TILES = 2
"""The tissue head normalises one value per image and channel: it cannot learn from a single image."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One training step's input.

    Attributes
    ----------
    images : (N, 3, S, S) uint8 tensor, RGB
    rows : mapping of task key to (n,) int64 tensor
        Which images carry labels of the task; a task without any is absent (its decoder stays frozen).
    targets : mapping of task key to tensor
        (n, S, S) uint8 classes of pixels, or (n,) int64 tissue classes.
    weights : mapping of task key to (n, S, S) float32 tensor
        Pixel weights of the dense tasks.
    """

    images: Tensor
    rows: Mapping[str, Tensor]
    targets: Mapping[str, Tensor]
    weights: Mapping[str, Tensor]


class Labelled(Protocol):
    """Anything with targets and pixel weights by task."""

    @property
    def targets(self) -> Mapping[str, Tensor]: ...
    @property
    def weights(self) -> Mapping[str, Tensor]: ...


@dataclass(frozen=True, kw_only=True)
class Crop:
    """One augmented crop.

    Attributes
    ----------
    image : (3, S, S) uint8 tensor
    targets : mapping of task key to tensor
        (S, S) uint8 classes of pixels, or () int64 tissue class.
    weights : mapping of task key to (S, S) float32 tensor
    """

    image: Tensor
    targets: Mapping[str, Tensor]
    weights: Mapping[str, Tensor]


class TaskSampler:
    """Draws batches.

    ``fixed``: a batch holds the tiles of one batch kind, so the decoders of the other tasks stay frozen in that step
    (dynamic weight freezing). ``mixed``: every batch holds tiles of all kinds, in proportion to their shares.

    Raises
    ------
    DataError
        If a batch kind has no tile to learn from.
    """

    def __init__(
        self, config: TrainConfig, tiles: Sequence[Tile], loaded: Mapping[str, LoadedTile], *, rank: int = 0
    ) -> None:
        self._config = config
        self._rank = rank
        self._loaded = loaded
        self._shares = np.array([kind.share for kind in config.batches]) / sum(k.share for k in config.batches)
        self._pools = [_pool(kind, tiles) for kind in config.batches]
        self._odds = [
            _odds(pool, config.balance, kind.weights) for kind, pool in zip(config.batches, self._pools, strict=True)
        ]
        self._by_source = _by_source(tiles)
        self._palettes: dict[str, Palette | None] = {}

    def seed(self, step: int) -> int:
        """What torch's generator is seeded with for step ``step``, before its augmentation and again after it."""
        return self._drawn(step)[1]

    def batch(self, step: int) -> Batch:
        """The batch of step ``step``; seeds torch's generator, so dropout is repeated too."""
        rng, seed, members, crop_px = self._drawn(step)
        torch.manual_seed(seed)
        crops = [crop for kind, count in members for crop in self._crops(kind, count, crop_px, rng)]
        torch.manual_seed(seed)
        return collate(crops)

    def _drawn(self, step: int) -> tuple[np.random.Generator, int, list[tuple[int, int]], int]:
        """Generator and seed of a step, batch kinds with their numbers of tiles, and the side of the crops."""
        rng = np.random.default_rng([self._config.seed, step])
        seed = int(rng.integers(2**62))
        members, crop_px = self._members(rng)
        if self._rank:  # the same kind of batch in every process, other tiles
            rng = np.random.default_rng([self._config.seed, step, self._rank])
        return rng, seed + self._rank, members, crop_px

    def _members(self, rng: np.random.Generator) -> tuple[list[tuple[int, int]], int]:
        """Batch kinds with their numbers of tiles, and the side of the crops."""
        kinds = self._config.batches
        if self._config.sampling == "fixed":
            kind = int(rng.choice(len(kinds), p=self._shares))
            return [(kind, kinds[kind].size)], kinds[kind].crop_px
        counts = np.maximum(_MIN_TILES, np.round(self._shares * max(kind.size for kind in kinds))).astype(int)
        return list(enumerate(counts.tolist())), max(kind.crop_px for kind in kinds)

    def _chosen(self, kind: int, count: int, rng: np.random.Generator) -> list[Tile]:
        pool = self._pools[kind]
        return [pool[i] for i in rng.choice(len(pool), size=count, p=self._odds[kind])]

    def _crops(self, kind: int, count: int, crop_px: int, rng: np.random.Generator) -> list[Crop]:
        tasks = self._config.batches[kind].tasks
        return [self._crop(tile, tasks, crop_px, rng) for tile in self._chosen(kind, count, rng)]

    def _crop(self, tile: Tile, tasks: Sequence[str], crop_px: int, rng: np.random.Generator) -> Crop:
        settings, model_um = self._config.augment, self._config.pixel_size_of(tasks[0])
        loaded = self._loaded[tile.id]
        jitter = (1 + settings.scale) ** rng.uniform(-1, 1)
        labels = {key: value for key, value in loaded.labels.items() if key in tasks}
        side_px = int(np.ceil(crop_px * margin_factor(settings)))
        zoom = tuple(side / model_um * jitter for side in loaded.pixel_size.yx_um)
        window, masks = crop_window(loaded.image, labels, side_px=side_px, zoom=zoom, rng=rng)
        image, moved = augment(self._restained(window, tile, rng), masks, settings, crop_px)
        tissue = tile.tissue if "tissue" in tasks and "tissue" in tile.tasks else -1
        return _labelled(image, {key: value.numpy() for key, value in moved.items()}, tissue, self._config)

    def _restained(self, image: Tensor, tile: Tile, rng: np.random.Generator) -> Tensor:
        """The crop in the stain of another tile, as often as ``augment.transfer`` says."""
        chance, share, source, member = rng.random(4)
        own = self._palette(tile.id) if chance < self._config.augment.transfer else None
        if own is None:
            return image
        ids = self._by_source[int(source * len(self._by_source))]
        other = self._palette(ids[int(member * len(ids))])
        return image if other is None else with_stain_of(image, own, other, float(share))

    def _palette(self, id_: str) -> Palette | None:
        if id_ not in self._palettes:
            self._palettes[id_] = palette_of(torch.from_numpy(self._loaded[id_].image).permute(2, 0, 1))
        return self._palettes[id_]


def _by_source(tiles: Sequence[Tile]) -> list[list[str]]:
    """Ids of the tiles of each source."""
    found: dict[str, list[str]] = {}
    for tile in tiles:
        found.setdefault(tile.id.partition("/")[0], []).append(tile.id)
    return list(found.values())


def _pool(kind: BatchSettings, tiles: Sequence[Tile]) -> list[Tile]:
    pool = [tile for tile in tiles if tile.tasks & set(kind.tasks)]
    if not pool:
        raise DataError(
            f"No training tile has labels for the batch of {', '.join(kind.tasks)}; exported pairs teach only "
            "the tasks that were said to be checked."
        )
    return pool


def _odds(pool: Sequence[Tile], balance: float, weights: Mapping[str, float]) -> np.ndarray:
    counts = Counter(tile.stratum for tile in pool)
    sources = [tile.id.partition("/")[0] for tile in pool]
    odds = np.array(
        [
            weights.get(source, 1.0) * counts[tile.stratum] ** -balance
            for tile, source in zip(pool, sources, strict=True)
        ]
    )
    return np.asarray(odds / odds.sum())


def tissue_frequency(config: TrainConfig, tiles: Sequence[Tile]) -> Tensor | None:
    """Share of each tissue class among the tiles that batches will draw; None without a tissue task."""
    task = next((task for task in config.tasks if task.kind == "tissue"), None)
    if task is None:
        return None
    shares = torch.zeros(task.channels)
    for kind in config.batches:
        if task.key not in kind.tasks:
            continue
        pool = _pool(kind, tiles)
        tiles_of_kind = kind.share * (kind.size if config.sampling == "fixed" else 1)
        for tile, odds in zip(pool, _odds(pool, config.balance, kind.weights).tolist(), strict=True):
            if tile.tissue >= 0 and task.key in tile.tasks:
                shares[tile.tissue] += tiles_of_kind * odds
    return shares / shares.sum().clamp_min(1e-9)


def _labelled(image: Tensor, labels: Mapping[str, NDArray[np.int32]], tissue: int, config: TrainConfig) -> Crop:
    targets: dict[str, Tensor] = {}
    weights: dict[str, Tensor] = {}
    for task in config.tasks:
        if task.kind == "tissue" and tissue >= 0:
            targets[task.key] = torch.tensor(tissue)
        elif task.key in labels and task.kind == "types":
            classes = torch.from_numpy(labels[task.key]).long()
            targets[task.key] = classes.to(torch.uint8)
            each = config.class_weights.get(task.key) or (1.0,) * (task.channels - 1)
            weights[task.key] = torch.tensor((0.0, *each))[classes]
        elif task.key in labels:
            drawn, size_um = labels[task.key], config.pixel_size_of(task.key)
            targets[task.key] = torch.from_numpy(instance_target(drawn, task.key, size_um))
            weights[task.key] = torch.from_numpy(neighbour_weights(drawn, task.key, size_um))
    return Crop(image=image, targets=targets, weights=weights)


def collate(crops: Sequence[Crop]) -> Batch:
    """One batch of some crops; a tissue class that stands alone is left out."""
    rows, targets, weights = stack_targets(crops)
    return Batch(images=torch.stack([c.image for c in crops]), rows=rows, targets=targets, weights=weights)


def stack_targets(crops: Sequence[Labelled]) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """Rows, targets and weights of a batch, by task. Raises ``DataError`` where nothing is left to learn from."""
    rows: dict[str, Tensor] = {}
    targets: dict[str, Tensor] = {}
    weights: dict[str, Tensor] = {}
    for key in dict.fromkeys(key for crop in crops for key in crop.targets):
        labelled = [i for i, crop in enumerate(crops) if key in crop.targets]
        dense = key in crops[labelled[0]].weights
        if not dense and len(labelled) < _MIN_TILES:
            continue
        rows[key] = torch.tensor(labelled)
        targets[key] = torch.stack([crops[i].targets[key] for i in labelled])
        if dense:
            weights[key] = torch.stack([crops[i].weights[key].float() for i in labelled])
    if not rows:
        raise DataError("A batch has nothing to learn from; a tissue batch needs batch.size 2 or more.")
    return rows, targets, weights
