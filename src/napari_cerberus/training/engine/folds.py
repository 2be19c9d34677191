"""Few patients: several models, each without some of the patients, whose mean is the new model.

With a handful of patients a validation side of one or two says little, and what validates does not teach. Here each
patient who learns or validates is left out of one model (grouped cross-validation) and judges that one; all of them
together choose how much is kept (``share_search``). The new model is the mean of the models' weights, which has seen
everybody. Models that start from the same base can often be averaged without loss (Wortsman et al. 2022, "Model
soups"); whether that holds here is for ``benchmarks/learning_loop.py`` to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.cluster.hierarchy import DisjointSet

from ...model.checkpoint import Model
from ...model.network import Cerberus
from ...progress import Job
from ..config import TrainConfig
from ..data.tile_sources import Tile
from ..early_stopping import Keep
from ..run_folder import CHECKPOINT_FILE, fold_folder
from ..validation import Scores
from .callbacks import Callback, ValidationResult
from .loop import TrainingData, train
from .trainer import Trained


@dataclass(frozen=True, kw_only=True)
class FoldModel:
    """A trained network, whom it learned from, and whom it has not seen."""

    network: Cerberus
    train: Sequence[Tile]
    validation: Sequence[Tile]


def dealt(tiles: Sequence[Tile], folds: int) -> list[list[Tile]]:
    """Tiles in as many parts as there are folds, by patient: the largest patients first, each to the smallest part.

    Patients under several names are one.
    """
    names = DisjointSet(sorted({name for tile in tiles for name in (tile.patient, *tile.patients)}))
    for tile in tiles:
        for name in tile.patients:
            names.merge(tile.patient, name)
    patients: dict[str, list[Tile]] = {}
    for tile in tiles:
        patients.setdefault(names[tile.patient], []).append(tile)
    parts: list[list[Tile]] = [[] for _ in range(min(folds, len(patients)))]
    for _name, members in sorted(patients.items(), key=lambda item: (-len(item[1]), item[0])):
        min(parts, key=len).extend(members)
    return parts


def train_folds(
    config: TrainConfig,
    data: TrainingData,
    folder: Path,
    *,
    callback: Callback | None = None,
    base: Model | None = None,
) -> Job[tuple[Trained, list[FoldModel]]]:
    """Train a model for each fold, one after the other; ``config.steps`` are shared among them.

    A fold that was begun goes on from its checkpoint in ``folder``. A wish to end ends the fold at work, and those
    after it are not begun.

    Returns
    -------
    trained : Trained
        The mean of the models.
    models : list of FoldModel

    Raises
    ------
    As ``loop.train``.
    """
    tiles = sorted([*data.train, *data.validation], key=lambda tile: tile.id)
    parts = dealt(tiles, config.folds)
    results: list[Trained] = []
    models: list[FoldModel] = []
    done = 0
    for number, part in enumerate(parts):
        course = _course_of(config, len(parts), done)
        if course is None:
            break
        left_out = {tile.id for tile in part}
        rest = [tile for tile in tiles if tile.id not in left_out]
        place = fold_folder(folder, number)
        place.mkdir(parents=True, exist_ok=True)
        mine = TrainingData(train=rest, validation=part, loaded=data.loaded)
        shifted = _Shifted(callback or Callback(), done)
        resume = (place / CHECKPOINT_FILE).is_file()
        trained = yield from train(course, mine, place, resume=resume, callback=shifted, base=base)
        results.append(trained)
        models.append(FoldModel(network=trained.network, train=rest, validation=part))
        done += trained.step
        if trained.step < course.steps and not trained.ended:  # somebody's wish, not a lack of progress
            break
    return _together(config, results, done), models


def _course_of(config: TrainConfig, folds: int, done: int) -> TrainConfig | None:
    """The config of one fold; None where the run was ended before it.

    All have the run's seed: a head that is made anew must start from the same weights in each, or their mean is noise.
    Each keeps its last weights: the patients who judge it must not also have chosen its moment.
    """
    steps = -(-config.steps // folds)
    ended = config.early_stopping.at_step
    if ended and ended <= done:
        return None
    return replace(
        config,
        folds=0,
        steps=steps,
        validate_every=min(steps, config.validate_every),
        early_stopping=replace(config.early_stopping, at_step=min(steps, ended - done) if ended else 0, keep="last"),
    )


class _Shifted(Callback):
    """Tells of a fold's steps as steps of the whole run."""

    def __init__(self, callback: Callback, done: int) -> None:
        self._callback, self._done = callback, done

    def trained(self, step: int, losses: Mapping[str, float]) -> None:
        self._callback.trained(self._done + step, losses)

    def validated(self, view: ValidationResult) -> None:
        step, best = self._done + view.step, self._done + view.best_step
        self._callback.validated(replace(view, step=step, best_step=best))

    def wants_checkpoint(self) -> bool:
        return self._callback.wants_checkpoint()

    def wants_end(self, step: int) -> Keep | None:
        """Not at the first step of a later fold: there is nothing of it yet to keep."""
        return "last" if step and self._callback.wants_end(self._done + step) else None


def _together(config: TrainConfig, results: Sequence[Trained], steps: int) -> Trained:
    """Mean weights and mean figures."""
    states = [one.network.state_dict() for one in results]
    mean = {
        name: torch.stack([state[name] for state in states]).mean(0) if value.is_floating_point() else value
        for name, value in states[0].items()
    }
    network = Cerberus(config.tasks, config.tissue_window_cells)
    network.load_state_dict(mean)
    ended = next((one.ended for one in results if one.ended), "")
    seconds = sum(one.seconds for one in results)
    return Trained(network=network.eval(), scores=_mean_scores(results), step=steps, seconds=seconds, ended=ended)


def _mean_scores(results: Sequence[Trained]) -> Scores:
    every = [one.scores for one in results]
    counts = Counter(key for scores in every for key in scores.dice)
    dice = {key: sum(scores.dice.get(key, 0.0) for scores in every) / number for key, number in counts.items()}
    return Scores(
        dice=dice,
        tissue_accuracy=_mean([scores.tissue_accuracy for scores in every]),
        tissue_balanced_accuracy=_mean([scores.tissue_balanced_accuracy for scores in every]),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
