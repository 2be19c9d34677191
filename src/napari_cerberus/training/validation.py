"""A quick look at held-out tiles while training runs: pixel Dice of each dense task and tissue accuracy.

It runs on the model grid without post-processing, to choose between weights; ``evaluate`` measures what users get.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional

from ..inference.grid.model_grid import pad_to_stride
from ..model.network import Cerberus
from ..model.runtime import has_bfloat16
from .config import TrainConfig
from .data.augment import nearest_index
from .data.tile_sources import LoadedTile, Tile

_FOREGROUND = 0.5


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Validation figures: Dice by dense task, accuracy and balanced accuracy of the tissue head; None if not asked.

    Under ``dice``, a type task has the share of its objects' pixels that are named right.
    ``by_category`` has, for each category, the Dice of each dense task and the tissue head's share of right answers.
    """

    dice: dict[str, float] = field(default_factory=dict)
    tissue_accuracy: float | None = None
    tissue_balanced_accuracy: float | None = None
    by_category: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def overall(self) -> float:
        """Mean of all figures; chooses between checkpoints."""
        metrics = [*self.dice.values()]
        if self.tissue_accuracy is not None and self.tissue_balanced_accuracy is not None:
            metrics.append((self.tissue_accuracy + self.tissue_balanced_accuracy) / 2)
        return float(np.mean(metrics)) if metrics else 0.0


def validate(network: Cerberus, tiles: Sequence[Tile], loaded: Mapping[str, LoadedTile], config: TrainConfig) -> Scores:
    """Score ``network`` on at most ``config.validation_tiles`` tiles, spread evenly; each on its own tasks."""
    tally = Tally()
    types = {task.key for task in config.tasks if task.kind == "types"}
    network.eval()
    for tile in chosen_tiles(tiles, config.validation_tiles):
        keys = [key for key in loaded[tile.id].labels if key in network.decoders]
        keys += ["tissue"] if tile.tissue >= 0 and "tissue" in tile.tasks and network.tissue_task else []
        for size_um, some in config.grids(keys).items():
            image, masks = on_model_grid(loaded[tile.id], size_um)
            _count(tally, tile, look(network, image, some, config), masks, types)
    return tally.scores()


def _count(
    tally: Tally, tile: Tile, logits: Mapping[str, Tensor], masks: Mapping[str, Tensor], types: Collection[str]
) -> None:
    for key, answer in logits.items():
        if key in types:
            tally.named(key, tile.stratum, cut(answer, masks[key]), masks[key])
        elif key in masks:
            tally.dense(key, tile.stratum, foreground(cut(answer, masks[key])), masks[key] > 0)
        else:
            tally.tissue(tile.stratum, tile.tissue, int(answer.flatten().argmax()))


def chosen_tiles(tiles: Sequence[Tile], most: int) -> list[Tile]:
    """At most ``most`` tiles, spread evenly."""
    if len(tiles) <= most:
        return list(tiles)
    return [tiles[int(i)] for i in np.linspace(0, len(tiles) - 1, max(1, most))]


def look(network: Cerberus, image: Tensor, keys: Sequence[str], config: TrainConfig) -> dict[str, Tensor]:
    """Logits of ``keys`` for one image (1, 3, h, w), in the precision that training uses on this device."""
    device = next(network.parameters()).device
    bf16 = device.type == "cpu" and has_bfloat16(device) and config.precision != "fp32"
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        return network(image.to(device), keys)  # type: ignore[no-any-return]


def foreground(logits: Tensor) -> Tensor:
    """Pixels (h, w) inside the outline, which runs midway through the contour that the network is taught.

    Counting the whole contour as inside once preferred weights that had not learnt it yet: it is as wide as a nucleus.
    """
    _background, inner, contour = logits.float().softmax(1)[0].cpu()
    inside: Tensor = inner + contour / 2 > _FOREGROUND
    return inside


class Tally:
    """Adds up what the tiles give."""

    def __init__(self) -> None:
        self._overlap: dict[tuple[str, str], tuple[float, float]] = {}
        self._answers: list[tuple[str, int, int]] = []

    def dense(self, key: str, category: str, predicted: Tensor, wanted: Tensor) -> None:
        """Count one tile of a dense task: two (h, w) masks."""
        twice, areas = self._overlap.get((key, category), (0.0, 0.0))
        both = float((predicted & wanted).sum())
        self._overlap[key, category] = (twice + 2 * both, areas + float(predicted.sum() + wanted.sum()))

    def named(self, key: str, category: str, logits: Tensor, classes: Tensor) -> None:
        """Count one tile of a type task: (1, C, h, w) logits against (h, w) classes, 0 where none is known."""
        known = classes > 0
        guess = logits[0, 1:].argmax(0).cpu() + 1
        right, total = self._overlap.get((key, category), (0.0, 0.0))
        self._overlap[key, category] = (right + float((guess[known] == classes[known]).sum()), total + int(known.sum()))

    def tissue(self, category: str, truth: int, guess: int) -> None:
        """Count one answer of the tissue head."""
        self._answers.append((category, truth, guess))

    def scores(self) -> Scores:
        """All of it."""
        sums: dict[str, list[tuple[float, float]]] = {}
        by_category: dict[str, dict[str, float]] = {}
        for (key, category), pair in self._overlap.items():
            sums.setdefault(key, []).append(pair)
            by_category.setdefault(category, {})[key] = pair[0] / max(pair[1], 1.0)
        for category in sorted({one for one, _, _ in self._answers}):
            right = [truth == guess for one, truth, guess in self._answers if one == category]
            by_category.setdefault(category, {})["tissue"] = float(np.mean(right))
        truth, guess = [t for _, t, _ in self._answers], [g for _, _, g in self._answers]
        return Scores(
            dice={key: sum(a for a, _ in pairs) / max(sum(b for _, b in pairs), 1.0) for key, pairs in sums.items()},
            tissue_accuracy=_accuracy(truth, guess),
            tissue_balanced_accuracy=_balanced(truth, guess),
            by_category=dict(sorted(by_category.items())),
        )


def on_model_grid(tile: LoadedTile, pixel_size_um: float) -> tuple[Tensor, dict[str, Tensor]]:
    """Image (1, 3, H, W) float32, mirrored beyond its end to multiples of the network's stride, and masks (h, w)."""
    shape = tile.image.shape[:2]
    sides = zip(shape, tile.pixel_size.yx_um, strict=True)
    height, width = size = [max(1, round(side * um / pixel_size_um)) for side, um in sides]
    image = functional.resize(tv_tensors.Image(torch.from_numpy(tile.image).permute(2, 0, 1)), size, antialias=True)
    padded = torch.from_numpy(pad_to_stride(image.permute(1, 2, 0).numpy())).permute(2, 0, 1)
    rows, columns = nearest_index(shape[0], height), nearest_index(shape[1], width)
    masks = {key: torch.from_numpy(value[rows][:, columns]) for key, value in tile.labels.items()}
    return padded.float()[None], masks


def cut(logits: Tensor, mask: Tensor) -> Tensor:
    """Logits (1, C, H, W) of what is no mirror image: (1, C, h, w)."""
    height, width = mask.shape
    return logits[..., :height, :width]


def _accuracy(truth: Sequence[int], guess: Sequence[int]) -> float | None:
    return float(np.mean(np.array(truth) == np.array(guess))) if truth else None


def _balanced(truth: Sequence[int], guess: Sequence[int]) -> float | None:
    wanted, given = np.array(truth), np.array(guess)
    recalls = [np.mean(given[wanted == index] == index) for index in sorted(set(truth))]
    return float(np.mean(recalls)) if recalls else None
