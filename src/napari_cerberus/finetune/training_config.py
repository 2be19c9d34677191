"""The training config of a fine-tune: purpose, preset, the user's changes, data and base model as one value."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..model.checkpoint import Model
from ..model.library.entries import shipped_folder
from ..model.network import LAST_LAYER
from ..training.config import TrainConfig
from ..training.early_stopping import EarlyStopping, Keep
from ..training.run_settings import AugmentSettings, BatchSettings, OptimiserSettings, SourceSettings
from .finetune_settings import ENOUGH_TO_CHOOSE, FinetuneSettings
from .patient_split import PatientSplit
from .task_choice import Training

SPLIT_FILE = "split.json"
VALIDATION_TILES: Mapping[str, int] = {"quick": 16, "standard": 40, "thorough": 80}
_VALIDATIONS: Mapping[str, int] = {"quick": 4, "standard": 8, "thorough": 12}
_PATIENCE = 4
MOST_FOLDS = 3
SHARES = (0.25, 0.5, 0.75, 1.0)
_KEEP_ANSWERS = 2.0
_CHECKPOINT_EVERY_S = 60
CACHE_MB = 1024
"""Memory for cached features; where not even one view of each tile fits in, nothing is cached."""

_VIEWS = 4
_ENCODER_CHANNELS, _DECODER_CHANNELS = 94, 16
"""Channels that a view keeps for each of its pixels: the encoder's maps at their scales, and a task's, at most."""

_EMA_DECAY = 0.9
"""A few hundred steps: the usual 0.99 would still remember the beginning."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All numbers of a run; see ``training/config.py`` and ``finetune_settings``."""

    settings: FinetuneSettings
    training: Training
    base: Model
    steps: int
    validate_every: int
    batch_size: int
    crops_px: Mapping[float, int]
    learning_rate: float
    train_from_layer: int
    train_tiles: int
    train_patients: int
    validation_patients: int

    @property
    def all_tasks(self) -> tuple[str, ...]:
        """Keys of all tasks of the new model."""
        return tuple(task.key for task in self.training.model_tasks)

    @property
    def keep(self) -> Keep:
        """Which weights are kept: the best by validation, or the last where too few patients validate."""
        return "best" if self.validation_patients >= ENOUGH_TO_CHOOSE else "last"

    @property
    def folds(self) -> int:
        """Models that each leave out some of the patients; 0 where enough validate."""
        return 0 if self.keep == "best" else _folds(self.train_patients + self.validation_patients, self.steps)

    @property
    def cache_views(self) -> int:
        """Views of each tile whose features are kept, all of them in memory; 0: the encoder learns, or no room."""
        if self.train_from_layer <= LAST_LAYER:
            return 0
        dense = sum(key != "tissue" for key in self.training.tasks)
        side_px = max(self.crops_px.values())
        view_mb = side_px**2 * 2 * (_ENCODER_CHANNELS + _DECODER_CHANNELS * dense) / 2**20
        return min(_VIEWS, int(CACHE_MB / (view_mb * max(1, self.train_tiles))))


def recipe_of(
    settings: FinetuneSettings,
    training: Training,
    sides: PatientSplit,
    crop_px: Callable[[float], int],
    base: Model,
) -> Recipe:
    """Numbers from preset and settings: a preset's passes over the tiles are limited to its most steps.

    ``crop_px`` gives the side of the crops for a pixel size in µm.
    """
    values, split = settings.values, sides.split
    batch_size = settings.batch_size or values.batch_size
    an_epoch = max(1, math.ceil(len(split.train) / batch_size))
    steps = max(2, (settings.epochs or values.epochs) * an_epoch)
    if settings.epochs is None:
        steps = min(steps, values.most_steps)
    teach, validate = (sides.counts[side][1] for side in ("train", "validation"))
    folds = _folds(teach + validate, steps) if validate < ENOUGH_TO_CHOOSE else 1
    steps = math.ceil(steps / folds) * folds
    return Recipe(
        settings=settings,
        training=training,
        base=base,
        steps=steps,
        validate_every=math.ceil(steps / _VALIDATIONS[settings.preset]),
        batch_size=batch_size,
        crops_px={um: crop_px(um) for um in {base.spec.pixel_size_of(key) for key in training.tasks}},
        learning_rate=settings.learning_rate or values.learning_rate,
        train_from_layer=settings.train_from_layer or max(values.train_from_layer, settings.aim.first_layer),
        train_tiles=len(split.train),
        train_patients=teach,
        validation_patients=validate,
    )


def _folds(patients: int, steps: int) -> int:
    """As many as there are patients, at most ``MOST_FOLDS``; a step at least for each."""
    return max(2, min(MOST_FOLDS, patients, steps))


def training_config(recipe: Recipe, name: str, pixel_size_um: float | None) -> TrainConfig:
    """The config of a run.

    Parameters
    ----------
    recipe : Recipe
    name : str
        Of the new model.
    pixel_size_um : float or None
        Of pairs that do not state theirs.
    """
    settings, base = recipe.settings, recipe.base.spec
    source = SourceSettings(
        name="pairs",
        kind="pairs",
        path=str(settings.pairs_folder.resolve()),
        tasks=recipe.training.tasks,
        pixel_size_um=pixel_size_um,
    )
    return TrainConfig(
        name=name,
        sources=(source,),
        batches=_batches(recipe),
        tasks=recipe.training.model_tasks,
        pixel_size_um=base.pixel_size_um,
        task_pixel_size_um={key: um for key, um in base.task_pixel_size_um.items() if key in recipe.all_tasks},
        tissue_window_cells=base.tissue_window_cells,
        optimiser=OptimiserSettings(learning_rate=recipe.learning_rate, ema_decay=_EMA_DECAY),
        augment=replace(AugmentSettings(), **dict[str, Any](settings.augment)),
        early_stopping=EarlyStopping(patience=_PATIENCE if recipe.keep == "best" else 0, keep=recipe.keep),
        **_start_of(recipe),
        **_course(recipe),
    )


def _start_of(recipe: Recipe) -> dict[str, Any]:
    """Where it starts from, and what it keeps of that."""
    aim, views = recipe.settings.aim, recipe.cache_views
    return {
        "start": _start(recipe.base),
        "start_sha256": recipe.base.sha256,
        "train_from_layer": recipe.train_from_layer,
        "keep_statistics": aim.keep_statistics or recipe.train_from_layer > LAST_LAYER,
        "blend_shares": SHARES,
        "folds": recipe.folds,
        "most_forgotten": aim.most_forgotten,
        "keep_answers": _KEEP_ANSWERS if recipe.train_from_layer <= LAST_LAYER else 0.0,
        "distillation": aim.distillation if recipe.train_from_layer > 1 else 0.0,
        "cache_features": views > 0,
        **({"cache_views": views, "cache_memory_mb": CACHE_MB} if views else {}),
    }


def _course(recipe: Recipe) -> dict[str, Any]:
    """How long, on what, and with which computer."""
    return {
        "seed": recipe.settings.seed,
        "steps": recipe.steps,
        "validate_every": recipe.validate_every,
        "validation_tiles": VALIDATION_TILES[recipe.settings.preset],
        "checkpoint_every_s": _CHECKPOINT_EVERY_S,
        "split_file": SPLIT_FILE,
        "sampling": recipe.settings.sampling if len(_grids(recipe)) == 1 else "fixed",
        "dice_weight": 0.5,
        "threads": cores(),
    }


def cores() -> int:
    """Processors that this program may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _batches(recipe: Recipe) -> tuple[BatchSettings, ...]:
    """``fixed``: all tasks of a tile that share a pixel size; ``mixed``: every batch holds tiles for each task."""
    grids = _grids(recipe)
    if recipe.settings.sampling == "fixed" or len(grids) > 1:
        kinds = [(um, tuple(tasks)) for um, tasks in grids.items()]
    else:
        kinds = [(um, (key,)) for um, tasks in grids.items() for key in tasks]
    return tuple(BatchSettings(tasks=tasks, size=recipe.batch_size, crop_px=recipe.crops_px[um]) for um, tasks in kinds)


def _grids(recipe: Recipe) -> dict[float, list[str]]:
    """Tasks that train by their pixel size: a batch holds tasks of one."""
    groups: dict[float, list[str]] = {}
    for key in recipe.training.tasks:
        groups.setdefault(recipe.base.spec.pixel_size_of(key), []).append(key)
    return groups


def _start(base: Model) -> str:
    """The base model as the config names it: by folder, which stays the same when the library changes its names.

    A model that came with the program goes by its name, on any computer.
    """
    if base.path is None:
        return base.name
    folder = Path(base.path).resolve()
    return folder.name if folder.parent == shipped_folder().resolve() else str(folder)
