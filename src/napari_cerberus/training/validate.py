"""A quick look at held-out tiles while training runs: pixel Dice of each dense task and tissue accuracy.

It runs on the model grid without post-processing, to choose between weights; ``evaluate`` measures what users get.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional

from ..model.network import STRIDE_PX, Cerberus
from ..model.runtime import cpu_has_bfloat16
from .config import TrainConfig
from .data import LoadedTile, Tile

_FOREGROUND = 0.5


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Validation figures: Dice by dense task, accuracy and balanced accuracy of the tissue head."""

    dice: dict[str, float] = field(default_factory=dict)
    tissue_accuracy: float = 0.0
    tissue_balanced_accuracy: float = 0.0

    @property
    def overall(self) -> float:
        """Mean of all figures; chooses between checkpoints."""
        figures = [*self.dice.values()]
        if self.tissue_accuracy:
            figures.append((self.tissue_accuracy + self.tissue_balanced_accuracy) / 2)
        return float(np.mean(figures)) if figures else 0.0


def validate(network: Cerberus, tiles: Sequence[Tile], loaded: Mapping[str, LoadedTile], config: TrainConfig) -> Scores:
    """Score ``network`` on at most ``config.validation_tiles`` tiles, spread evenly over them."""
    device = next(network.parameters()).device
    chosen = tiles[:: max(1, len(tiles) // config.validation_tiles)]
    overlap: dict[str, list[tuple[float, float]]] = {}
    truth: list[int] = []
    guess: list[int] = []
    network.eval()
    bf16 = device.type == "cpu" and cpu_has_bfloat16() and config.precision != "fp32"
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        for tile in chosen:
            image, masks = on_model_grid(loaded[tile.id], config.pixel_size_um)
            keys = [key for key in masks if key in network.decoders]
            keys += ["tissue"] if tile.tissue >= 0 and network.tissue_task else []
            logits = network(image.to(device), keys)
            for key in masks:
                predicted = foreground(logits[key])
                wanted = masks[key] > 0
                overlap.setdefault(key, []).append(
                    (float((predicted & wanted).sum()) * 2, float(predicted.sum() + wanted.sum()))
                )
            if "tissue" in keys:
                truth.append(tile.tissue)
                guess.append(int(logits["tissue"].flatten().argmax()))
    return Scores(
        dice={key: sum(a for a, _ in pairs) / max(sum(b for _, b in pairs), 1.0) for key, pairs in overlap.items()},
        tissue_accuracy=_accuracy(truth, guess),
        tissue_balanced_accuracy=_balanced(truth, guess),
    )


def foreground(logits: Tensor) -> Tensor:
    """Pixels (h, w) inside the outline, which runs midway through the contour that the network is taught.

    Counting the whole contour as inside once preferred weights that had not learnt it yet: it is as wide as a nucleus.
    """
    _background, inner, contour = logits.float().softmax(1)[0].cpu()
    return inner + contour / 2 > _FOREGROUND


def on_model_grid(tile: LoadedTile, pixel_size_um: float) -> tuple[Tensor, dict[str, Tensor]]:
    """Image (1, 3, h, w) float32 and masks (h, w), resampled and cut to a multiple of the network's stride."""
    zoom = tile.pixel_size_um / pixel_size_um
    size = [max(STRIDE_PX, round(side * zoom) // STRIDE_PX * STRIDE_PX) for side in tile.image.shape[:2]]
    image = functional.resize(tv_tensors.Image(torch.from_numpy(tile.image).permute(2, 0, 1)), size, antialias=True)
    masks = {
        key: functional.resize(tv_tensors.Mask(torch.from_numpy(value)[None]), size)[0]
        for key, value in tile.labels.items()
    }
    return image.float()[None], masks


def _accuracy(truth: Sequence[int], guess: Sequence[int]) -> float:
    return float(np.mean(np.array(truth) == np.array(guess))) if truth else 0.0


def _balanced(truth: Sequence[int], guess: Sequence[int]) -> float:
    wanted, given = np.array(truth), np.array(guess)
    recalls = [np.mean(given[wanted == index] == index) for index in sorted(set(truth))]
    return float(np.mean(recalls)) if recalls else 0.0
