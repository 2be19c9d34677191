"""Tasks that nobody corrected keep their answers on the user's own tiles while the encoder below them moves.

A fine-tune that learns glands alone would otherwise spoil nuclei, lumina and tissue type of the same model. What the
base model says of the training tiles themselves is the target (Li and Hoiem 2016, "Learning without forgetting").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ...model.checkpoint import Model
from ...model.network import Cerberus
from ...progress import Job, Progress
from ..config import TrainConfig
from ..data.tile_sources import LoadedTile, Tile
from ..validation import chosen_tiles, on_model_grid

MOST_TILES = 24
"""Training tiles that are asked about, spread evenly, for each pixel size."""
_KEPT = torch.float16


@dataclass(frozen=True, kw_only=True)
class _Lesson:
    """A crop, (1, 3, S, S) uint8, and the base model's probabilities for it, (1, classes, S or 1, S or 1) each."""

    image: Tensor
    answers: Mapping[str, Tensor]


class KeptAnswers:
    """What the base model says of some training tiles.

    Parameters
    ----------
    lessons : sequence of _Lesson
    seed : int
    """

    def __init__(self, lessons: Sequence[_Lesson], seed: int) -> None:
        self._lessons, self._seed = lessons, seed

    def loss(self, network: Cerberus, step: int) -> Tensor:
        """Kullback-Leibler divergence from the base model's answers on one crop, mean over pixels and tasks.

        The network answers as it would for a user: in evaluation mode, which it is left in.
        """
        drawn = np.random.default_rng([self._seed, step, 1]).integers(len(self._lessons))
        lesson = self._lessons[int(drawn)]
        device = next(network.parameters()).device
        logits = network.eval()(lesson.image.to(device).float(), list(lesson.answers))
        parts = [
            F.kl_div(logits[key].float().log_softmax(1), wanted.to(device).float(), reduction="none").sum(1).mean()
            for key, wanted in lesson.answers.items()
        ]
        return torch.stack(parts).mean()


def kept_answers_of(
    config: TrainConfig, base: Model, tiles: Sequence[Tile], loaded: Mapping[str, LoadedTile]
) -> Job[KeptAnswers | None]:
    """Ask the base model about the tasks that no batch teaches; None where every task learns."""
    taught = {key for batch in config.batches for key in batch.tasks}
    known = {task.key: task for task in base.network.tasks}
    untaught = [task.key for task in config.tasks if task.key not in taught and known.get(task.key) == task]
    side_px = max(batch.crop_px for batch in config.batches)
    lessons: list[_Lesson] = []
    network = base.network.eval()
    for size_um, keys in config.grids(untaught).items():
        for tile in chosen_tiles(tiles, MOST_TILES):
            yield Progress("Noting what the base model says", len(lessons), MOST_TILES * len(config.grids(untaught)))
            image = _middle(loaded[tile.id], size_um, side_px)
            with torch.inference_mode():
                logits = network(image.to(next(network.parameters()).device).float(), keys)
            answers = {key: logits[key].float().softmax(1).to(_KEPT).cpu() for key in keys}
            lessons.append(_Lesson(image=image, answers={key: value.clone() for key, value in answers.items()}))
    return KeptAnswers(lessons, config.seed) if lessons else None


def _middle(tile: LoadedTile, pixel_size_um: float, side_px: int) -> Tensor:
    """The middle of a tile at a pixel size, (1, 3, side, side) uint8; a smaller tile is mirrored beyond its edges."""
    whole: NDArray[np.float32] = on_model_grid(tile, pixel_size_um)[0][0].permute(1, 2, 0).numpy()
    short = [max(0, side_px - side) for side in whole.shape[:2]]
    padded = np.pad(whole, [(0, short[0]), (0, short[1]), (0, 0)], mode="symmetric")
    top, left = ((side - side_px) // 2 for side in padded.shape[:2])
    middle = padded[top : top + side_px, left : left + side_px]
    return torch.from_numpy(np.ascontiguousarray(middle)).permute(2, 0, 1)[None].to(torch.uint8)
