"""The training config of a fine-tune: preset, the user's changes, data and base model as one TOML text."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..model.checkpoint import Model
from ..model.library.entries import shipped_folder
from ..training.early_stopping import Keep
from .finetune_settings import FinetuneSettings
from .patient_split import PatientSplit
from .task_choice import Training

SPLIT_FILE = "split.json"
VALIDATION_TILES: Mapping[str, int] = {"quick": 24, "standard": 40, "thorough": 80}
_VALIDATIONS = 12
_PATIENCE = 5
ENOUGH_TO_CHOOSE = 5
"""Validation patients below which the last weights are kept: the best for one patient or two are not the best."""
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
    """All numbers of a run; see ``training/config.py`` and ``settings.PresetValues``."""

    settings: FinetuneSettings
    training: Training
    base: Model
    steps: int
    validate_every: int
    batch_size: int
    crop_px: int
    learning_rate: float
    train_from_layer: int
    decoder_block: int
    train_tiles: int
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
    def cache_views(self) -> int:
        """Views of each tile whose features are kept, all of them in memory; 0: nothing is cached."""
        if not self.settings.values.cache_features or self.train_from_layer == 1:
            return 0
        dense = sum(key != "tissue" for key in self.training.tasks)
        view_mb = self.crop_px**2 * 2 * (_ENCODER_CHANNELS + _DECODER_CHANNELS * dense) / 2**20
        return min(_VIEWS, int(CACHE_MB / (view_mb * max(1, self.train_tiles))))


def recipe_of(settings: FinetuneSettings, training: Training, sides: PatientSplit, crop_px: int, base: Model) -> Recipe:
    """Numbers from preset and settings: a preset's passes over the tiles are limited to its most steps."""
    values, split = settings.values, sides.split
    batch_size = settings.batch_size or values.batch_size
    an_epoch = max(1, math.ceil(len(split.train) / batch_size))
    steps = (settings.epochs or values.epochs) * an_epoch
    if settings.epochs is None:
        steps = min(steps, values.most_steps)
    layer = settings.train_from_layer or values.train_from_layer
    return Recipe(
        settings=settings,
        training=training,
        base=base,
        steps=steps,
        validate_every=min(steps, max(an_epoch if an_epoch <= steps // 4 else 1, math.ceil(steps / _VALIDATIONS))),
        batch_size=batch_size,
        crop_px=crop_px,
        learning_rate=settings.learning_rate or values.learning_rate,
        train_from_layer=layer,
        decoder_block=values.train_decoder_from_block,
        train_tiles=len(split.train),
        validation_patients=sides.counts["validation"][1],
    )


def config_text(recipe: Recipe, name: str, pixel_size_um: float | None) -> str:
    """The TOML of a run.

    Parameters
    ----------
    recipe : Recipe
    name : str
        Of the new model.
    pixel_size_um : float or None
        Of pairs that do not state theirs.
    """
    settings = recipe.settings
    source = {
        "name": "pairs",
        "kind": "pairs",
        "path": str(settings.pairs_folder.resolve()),
        "tasks": list(recipe.training.tasks),
        "pixel_size_um": pixel_size_um,
    }
    optimiser = {"learning_rate": recipe.learning_rate, "schedule": "onecycle", "ema_decay": _EMA_DECAY}
    tables = [table("", {"name": name, **_model(recipe), **_course(recipe)}), table("[[source]]", source)]
    tables += [table("[[batch]]", batch) for batch in _batches(recipe)]
    tables += [table("[optimiser]", optimiser), table("[augment]", dict(settings.augment))]
    patience = _PATIENCE if recipe.keep == "best" else 0
    tables.append(table("[early_stopping]", {"patience": patience, "at_step": 0, "keep": recipe.keep}))
    return "\n".join(tables)


def _model(recipe: Recipe) -> dict[str, Any]:
    """What is trained, and from where."""
    values, base = recipe.settings.values, recipe.base.spec
    tissue = next((task.classes for task in recipe.training.model_tasks if task.kind == "tissue"), None)
    views = recipe.cache_views or None
    own_sizes = {key: um for key, um in base.task_pixel_size_um.items() if key in recipe.all_tasks}
    return {
        "tasks": list(recipe.all_tasks),
        "tissue_classes": list(tissue) if tissue else None,
        "pixel_size_um": base.pixel_size_um,
        "task_pixel_size_um": own_sizes or None,
        "tissue_window_cells": base.tissue_window_cells,
        "start": _start(recipe.base),
        "start_sha256": recipe.base.sha256,
        "train_from_layer": recipe.train_from_layer,
        "train_decoder_from_block": recipe.decoder_block,
        "cache_features": views is not None,
        "cache_views": views,
        "cache_memory_mb": CACHE_MB if views else None,
        "keep_statistics": values.keep_statistics,
        "blend": values.blend,
        "distillation": values.distillation if recipe.train_from_layer > 1 else 0.0,
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
        "device": "auto",
        "threads": max(1, cores() - 1),
    }


def table(heading: str, values: Mapping[str, Any]) -> str:
    """One TOML table; None is left out."""
    lines = [f"{key} = {_toml(value)}" for key, value in values.items() if value is not None]
    return "\n".join([*([heading] if heading else []), *lines]) + "\n"


def _toml(value: Any) -> str:
    # JSON's strings, numbers, booleans and lists of strings are TOML's too.
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


def cores() -> int:
    """Processors that this program may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _batches(recipe: Recipe) -> list[dict[str, Any]]:
    """``fixed``: all tasks of a tile that share a pixel size; ``mixed``: every batch holds tiles for each task."""
    shape = {"size": recipe.batch_size, "crop_px": recipe.crop_px}
    grids = _grids(recipe)
    if recipe.settings.sampling == "fixed" or len(grids) > 1:
        return [{"tasks": tasks, **shape} for tasks in grids]
    return [{"tasks": [key], **shape} for key in recipe.training.tasks]


def _grids(recipe: Recipe) -> list[list[str]]:
    """Tasks that train, in groups of one pixel size: a batch holds tasks of one."""
    groups: dict[float, list[str]] = {}
    for key in recipe.training.tasks:
        groups.setdefault(recipe.base.spec.pixel_size_of(key), []).append(key)
    return list(groups.values())


def _start(base: Model) -> str:
    """The base model as the config names it: by folder, which stays the same when the library changes its names.

    A model that came with the program goes by its name, on any computer.
    """
    if base.path is None:
        return base.name
    folder = Path(base.path).resolve()
    return folder.name if folder.parent == shipped_folder().resolve() else str(folder)
