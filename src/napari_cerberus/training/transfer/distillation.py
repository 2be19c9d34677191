"""What a fine-tune holds on to: the base model's answers on drawn tissue (Li and Hoiem 2016, "Learning without
forgetting"). The base model's own training data are seldom at hand; drawn tissue always is, and needs no labels here.
Training tiles in an unknown stain are remembered too, in the colours of the drawn ones (``stain_matched``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ...progress import Job, Progress
from ...synthetic import TileSettings, make_tile
from ..config import TrainConfig
from ..data.tile_sources import LoadedTile
from .frozen_part import KEPT, FrozenPart, KeptBatch
from .stain_matched import stain_matched

TILES, A_STEP = 12, 2
_FIRST_SEED = 7000  # other tissue than what forgetting is measured on (engine/old_domain.py)

Named = Mapping[str, Tensor]


class TeacherTargets:
    """Frozen maps of drawn tiles, and the base model's probabilities for them.

    Parameters
    ----------
    keys : sequence of str
        Dense tasks.
    maps, answers : sequences of mappings, one for each tile
        Maps as ``FrozenPart.compute`` gives them; (classes, S, S) probabilities of each task.
    seed : int
    """

    def __init__(self, keys: Sequence[str], maps: Sequence[Named], answers: Sequence[Named], seed: int) -> None:
        self._keys, self._maps, self._answers, self._seed = keys, maps, answers, seed

    def loss(self, frozen: FrozenPart, step: int) -> Tensor:
        """Kullback-Leibler divergence from the base model's answers, mean over pixels and tasks; some tiles a step."""
        drawn = np.random.default_rng([self._seed, step]).choice(len(self._maps), min(A_STEP, len(self._maps)), False)
        batch = _batch(
            frozen, [self._maps[i] for i in drawn], self._keys
        )  # torch cannot stack float16 in mixed precision
        with frozen.precision():
            logits = frozen.logits(batch)
        parts = []
        for key in self._keys:
            wanted = torch.stack([self._answers[i][key] for i in drawn]).to(logits[key].device).float()
            said = logits[key].float().log_softmax(1)
            parts.append(F.kl_div(said, wanted, reduction="none").sum(1).mean())
        return torch.stack(parts).mean()


def teacher_targets_of(
    config: TrainConfig, frozen: FrozenPart, fresh: Collection[str], out_of_domain: Sequence[LoadedTile] = ()
) -> Job[TeacherTargets | None]:
    """Draw tissue and ask the network, as it comes from the base model, about the dense tasks whose answers may change.

    Those are the tasks that learn, or all of them where the encoder moves. ``fresh`` are tasks that the base model does
    not know; ``strange`` are training tiles in a stain that it does not know, which are asked about in the colours of
    drawn tissue. None where no task is left.
    """
    dense = set(frozen.network.decoders)
    training_patients = {key for batch in config.batches for key in batch.tasks}
    keys = sorted((dense if frozen.encoder_trains else training_patients & dense) - set(fresh))
    maps, answers = [], []
    frozen.network.eval()
    side, count = config.batches[0].crop_px, TILES + len(out_of_domain)
    sizes_um = list(config.grids(keys))
    for number in range(count if keys else 0):
        yield Progress("Asking the base model", number, count)
        size_um = sizes_um[number % len(sizes_um)]
        drawn = _drawn(side, size_um, _FIRST_SEED + number % TILES)
        image = torch.from_numpy(drawn).permute(2, 0, 1)[None].float()
        if number >= TILES:
            image = stain_matched(out_of_domain[number - TILES], drawn, side, size_um)
        maps.append(frozen.compute(image, keys))
        with torch.no_grad():
            logits = frozen.logits(_batch(frozen, maps[-1:], keys))
        answers.append({key: logits[key][0].float().softmax(0).to(KEPT).cpu() for key in keys})
    return TeacherTargets(keys, maps, answers, config.seed) if keys else None


def _drawn(side_px: int, pixel_size_um: float, seed: int) -> NDArray[np.uint8]:
    settings = TileSettings(height_px=side_px, width_px=side_px, pixel_size_um=pixel_size_um, seed=seed)
    return make_tile(settings).image


def _batch(frozen: FrozenPart, maps: Sequence[Named], keys: Sequence[str]) -> KeptBatch:
    return frozen.batch(maps, dict.fromkeys(keys, torch.arange(len(maps))), {}, {})
