"""How much of the trained weights to keep, chosen on the validation patients as a user would see their tiles.

Between the base model and what was trained lies a line of models (Wortsman et al. 2022, "Robust fine-tuning of
zero-shot models"). Each place on it is tried the users' way, with objects cut and mended; the base model with the
normalisation statistics of the user's images (Li et al. 2018, "Adaptive batch normalization") is tried too. What is
forgotten of the old domain is told; it rules only where the config says how much may be lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...model.checkpoint import Model
from ...model.network import Cerberus
from ...progress import Job, Progress, as_one_step
from ..config import TrainConfig
from ..data.tile_sources import LoadedTile, Tile
from ..evaluation.metrics.object_metrics import f1, object_dice
from ..evaluation.metrics.pixel_metrics import dice
from ..evaluation.scoring import ScoreSettings, TileScore, score_tile
from ..transfer.image_statistics import with_statistics
from ..transfer.weight_interpolation import WeightInterpolation
from ..validation import chosen_tiles, on_model_grid
from .folds import FoldModel
from .old_domain import reference_set

MOST_TILES = 16
"""Validation tiles that every candidate is tried on, spread evenly."""
MOST_OLD_TILES = 12
LEAST_GAIN = 0.005
"""Of quality (0..1), below which nothing was gained."""
WORTH = 0.003
"""A larger share must be better by this than a smaller one."""
STATISTICS_SHARE = 0.5
_STATISTICS_TILES = 16


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One place on the line.

    Attributes
    ----------
    share : float
        Of the trained weights; 0: the base model's own.
    statistics : float
        Share of the user's images in the normalisation statistics, for a share of 0.
    quality : float
        On the validation tiles, 0..1: mean over tasks and patients of Dice, object Dice and F1.
    old : float or None
        Dice on the old domain, mean over tasks; None where it was not looked at.
    """

    share: float
    statistics: float = 0.0
    quality: float
    old: float | None = None


@dataclass(frozen=True, kw_only=True)
class ShareChoice:
    """What was tried and what is kept.

    Attributes
    ----------
    kept : Candidate
    tried : tuple of Candidate
    gained : bool
        False: nothing that was tried is better than the base model.
    """

    kept: Candidate
    tried: tuple[Candidate, ...]
    gained: bool

    @property
    def sentence(self) -> str:
        """For the user."""
        if not self.gained:
            return "Nothing that was learned made it better on the patients who judged it, so the old model stays."
        if self.kept.share == 0:
            return "Best on the patients who judged it: the old model, accustomed to the colours of your images."
        return f"Best on the patients who judged it: {self.kept.share:.0%} of what was learned."


def choose_share(
    config: TrainConfig,
    base: Model,
    trained: Model,
    parts: Sequence[FoldModel],
    loaded: Mapping[str, LoadedTile],
) -> Job[tuple[Cerberus, ShareChoice]]:
    """Try every share of ``config.blend_shares`` and keep the best.

    Parameters
    ----------
    config : TrainConfig
    base, trained : Model
        ``trained`` with the thresholds and temperatures that it will have; its weights are those that are kept in part.
    parts : sequence of FoldModel
        What was trained, each with the tiles that judge it.
    loaded : mapping of tile id to LoadedTile

    Returns
    -------
    network : Cerberus
        The weights to keep.
    choice : ShareChoice
    """
    line = WeightInterpolation(config, base)
    old = chosen_tiles(reference_set(base, ()).tiles, MOST_OLD_TILES) if config.most_forgotten is not None else []
    whole = _Networks(config, trained.network, line, [tile for part in parts for tile in part.train], loaded)
    judged = [(_Networks(config, part.network, line, part.train, loaded), _few(part, parts, loaded)) for part in parts]
    statistics_alone = () if line.fresh else ((0.0, STATISTICS_SHARE),)
    places = [(0.0, 0.0), *statistics_alone, *((share, 0.0) for share in config.blend_shares)]
    tried: list[Candidate] = []
    for number, (share, statistics) in enumerate(places):
        step = Progress("Choosing how much to keep", number, len(places))
        mine: list[TileScore] = []
        for networks, tiles in judged:
            model = replace(trained, network=networks.at(share, statistics))
            mine += yield from _scored(model, tiles, config, step)
        kept = replace(trained, network=whole.at(share, statistics))
        value = _old_dice((yield from _scored(kept, old, config, step))) if old else None
        tried.append(Candidate(share=share, statistics=statistics, quality=quality(mine, config), old=value))
    choice = chosen(tried, most_forgotten=config.most_forgotten)
    return whole.at(choice.kept.share, choice.kept.statistics), choice


def _few(part: FoldModel, parts: Sequence[FoldModel], loaded: Mapping[str, LoadedTile]) -> list[Tile]:
    """Of a part's tiles those that judge, at hand."""
    most = max(1, MOST_TILES // len(parts))
    return [replace(tile, load=_at_hand(tile, loaded)) for tile in chosen_tiles(part.validation, most)]


def chosen(tried: Sequence[Candidate], *, most_forgotten: float | None = None) -> ShareChoice:
    """The best of what was tried; the first is the base model."""
    base, *others = tried
    allowed = [one for one in others if most_forgotten is None or not _forgets(base, one, most_forgotten)]
    best = base
    for one in sorted(allowed, key=lambda one: one.share):
        if one.quality >= best.quality + (LEAST_GAIN if best is base else WORTH):
            best = one
    return ShareChoice(kept=best, tried=tuple(tried), gained=best is not base)


def quality(scores: Sequence[TileScore], config: TrainConfig) -> float:
    """Mean over patients of what the tasks that learn are worth, 0..1.

    A tissue type counts only where tiles of two classes validate: of one class, always naming it would be best.
    """
    taught = {key for batch in config.batches for key in batch.tasks}
    by_patient: dict[str, list[float]] = defaultdict(list)
    several = len({score.tissue_truth for score in scores if score.tissue}) > 1
    for score in scores:
        values = [_worth(one.sums()) for key, one in score.tasks.items() if key in taught]
        if several and score.tissue and "tissue" in taught:
            values.append(float(score.tissue_answer == score.tissue_truth))
        if values:
            by_patient[score.patient].append(float(np.mean(values)))
    return float(np.mean([np.mean(values) for values in by_patient.values()])) if by_patient else 0.0


@dataclass(kw_only=False)
class _Networks:
    """Networks on the line, made when asked for."""

    config: TrainConfig
    trained: Cerberus
    line: WeightInterpolation
    train: Sequence[Tile]
    loaded: Mapping[str, LoadedTile]
    _made: dict[float, Any] = field(default_factory=dict)

    def at(self, share: float, statistics: float) -> Cerberus:
        """The network with this share of the trained weights, or the base model with statistics of the tiles."""
        network = self.line.blended(self.trained, share)
        return self._adapted(network, statistics) if statistics else network

    def _adapted(self, network: Cerberus, share: float) -> Cerberus:
        tiles = [self.loaded[tile.id] for tile in chosen_tiles(self.train, _STATISTICS_TILES)]
        grids = self.config.grids(list(network.decoders))
        images = [(on_model_grid(tile, um)[0], tuple(keys)) for um, keys in grids.items() for tile in tiles]
        return with_statistics(network, images, share)


def _scored(model: Model, tiles: Sequence[Tile], config: TrainConfig, step: Progress) -> Job[list[TileScore]]:
    settings = ScoreSettings(device="cpu" if config.device == "cpu" else "auto")
    found = []
    for tile in tiles:
        yield step
        found.append((yield from as_one_step(score_tile(model, tile, settings), step)).score)
    return [score for score in found if not score.problem]


def _worth(sums: Mapping[str, ArrayLike]) -> float:
    arrays = {name: np.asarray(value, dtype=float) for name, value in sums.items()}
    if not arrays["tp"] + arrays["fp"] + arrays["fn"]:
        return 1.0
    figures = (dice(arrays["tp"], arrays["fp"], arrays["fn"]), object_dice(arrays), f1(arrays))
    return float(np.mean([np.nan_to_num(value) for value in figures]))


def _old_dice(scores: Sequence[TileScore]) -> float:
    """Mean over tasks of the mean Dice over tiles."""
    by_task: dict[str, list[float]] = defaultdict(list)
    for score in scores:
        for key, one in score.tasks.items():
            sums = one.sums()
            if float(np.asarray(sums["tp"])) + float(np.asarray(sums["fn"])):
                by_task[key].append(float(dice(*(np.asarray(sums[name], dtype=float) for name in ("tp", "fp", "fn")))))
    return float(np.mean([np.mean(values) for values in by_task.values()])) if by_task else 0.0


def _forgets(base: Candidate, one: Candidate, most: float) -> bool:
    return base.old is not None and one.old is not None and base.old - one.old > most


def _at_hand(tile: Tile, loaded: Mapping[str, LoadedTile]) -> Any:
    return lambda: loaded[tile.id]
