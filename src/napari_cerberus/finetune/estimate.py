"""What a fine-tune will cost on this computer: a few timed steps, scaled to the whole run."""

from __future__ import annotations

import json
import math
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import CerberusError, DataError, OutputError, SettingsError
from ..pairs.split import Split, write_split
from ..progress import Job, Progress
from ..training.config import TrainConfig
from ..training.config_file import write_config
from .finetune_plan import Plan
from .run.config_changes import ending_at
from .run.plan_record import write_plan
from .run.process import CONFIG_FILE, SPLIT_FILE, child_environment
from .timing_trial import FAILED, TRIAL_STEPS

TRIAL: tuple[str, ...] = ("-P", "-m", "napari_cerberus.finetune.timing_trial")
"""Python's arguments that start the trial, before the folder."""

_TRAIN_TILES, _CACHED_TILES, _VALIDATION_TILES = 8, 4, 3
_LOW, _HIGH = 0.8, 1.3
_POLL_S = 0.2
_SLOWER_TO_CHOOSE = 2.0
"""A tile with its objects cut and scored, against a quick look at it."""
_TILE_MB = 1.0
"""A tile of 224 px with three label planes, in memory."""

_ONCE = ("Gathering data", "Checking tiles", "Starting", "Asking the base model")
_PER_TILE = ("Looking for leaks", "Loading tiles")


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Cost of a run on this computer, its comparison not counted.

    Attributes
    ----------
    minutes, low, high : float
        Most probable, and between which it will lie unless something else keeps the computer busy. Early stopping
        only makes it shorter.
    memory_mb : int
        Memory at its most; 0 where the system does not say.
    steps : int
    """

    minutes: float
    low: float
    high: float
    memory_mb: int
    steps: int


def estimate(plan: Plan) -> Job[Estimate]:
    """Time a few steps of the planned run in a process of its own.

    Raises
    ------
    SettingsError
        If the plan has a stop.
    OutputError
        If there is no room for the trial.
    CerberusError
        If the trial fails: so would the run.
    """
    if plan.stops or plan.config is None:
        raise SettingsError(next(iter(plan.stops), "There is nothing to train."))
    yield Progress("Timing a few steps")
    folder = Path(tempfile.mkdtemp(prefix="napari-cerberus-trial-"))
    try:
        _prepare(folder, plan, plan.config)
        measured = yield from _run(folder)
        return _scaled(measured, plan, plan.config)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prepare(folder: Path, plan: Plan, config: TrainConfig) -> None:
    few = _few(plan.split, config)
    # Every share would be tried on the validation tiles; what that takes is reckoned from one validation.
    write_config(
        folder / CONFIG_FILE, replace(ending_at(config, min(TRIAL_STEPS, plan.steps), "last"), blend_shares=(), folds=0)
    )
    write_split(folder / SPLIT_FILE, few)
    write_plan(folder, replace(plan, usable=(*few.train, *few.validation)))


def _few(split: Split, config: TrainConfig) -> Split:
    """A split with a few tiles of each side, spread evenly, so that every category is likely there."""
    most = _CACHED_TILES if config.cache_features else _TRAIN_TILES
    train, validation = _spread(split.train, most), _spread(split.validation, _VALIDATION_TILES)
    counts: dict[str, dict[str, int]] = {"train": {}, "validation": {}, "test": {}}
    for side, ids in (("train", train), ("validation", validation)):
        counts[side] = {"tiles": len(ids)}
    return replace(split, train=train, validation=validation, test=(), counts=counts)


def _spread(ids: tuple[str, ...], most: int) -> tuple[str, ...]:
    step = max(1, math.ceil(len(ids) / most))
    return ids[::step]


def _run(folder: Path) -> Job[dict[str, Any]]:
    command = [sys.executable, *TRIAL, str(folder), repr(time.time())]
    out, log = folder / "out.json", folder / "log.txt"
    try:
        with out.open("wb") as stdout, log.open("wb") as stderr:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, cwd=folder, env=child_environment()
            )
    except OSError as error:
        raise OutputError(f"The trial cannot be started: {error.strerror or error}.") from error
    try:
        while process.poll() is None:
            yield Progress("Timing a few steps")
            time.sleep(_POLL_S)
    finally:
        process.kill()
        process.wait()
    return _answer(out, log, process.returncode)


def _answer(out: Path, log: Path, code: int) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    except ValueError as error:
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
        if code < 0:
            last = ["the system ended it, most likely because memory ran out; use smaller batches"]
        raise DataError(f"The trial of a few steps failed: {last[0]}") from error
    if FAILED in told:
        raise CerberusError(str(told[FAILED]))
    return told


def _scaled(measured: Mapping[str, Any], plan: Plan, config: TrainConfig) -> Estimate:
    stages: Mapping[str, float] = measured["stages"]
    few = _few(plan.split, config)
    train, validation = len(plan.split.train), len(plan.split.validation)
    members = train + validation + len(plan.split.test)
    by_member = members / max(1, len(few.train) + len(few.validation))
    by_train = train / max(1, len(few.train))
    once = float(measured["loading_s"]) + sum(stages.get(name, 0.0) for name in _ONCE)
    scaled = by_member * sum(stages.get(name, 0.0) for name in _PER_TILE)
    known = {*_ONCE, *_PER_TILE, "Training", "Validating", "End"}
    scaled += by_train * sum(seconds for name, seconds in stages.items() if name not in known)
    step = statistics.median(measured["steps"][1:] or measured["steps"])
    validated = math.ceil(plan.steps / config.validate_every)
    look = float(measured["judging_s"]) / max(1, len(few.validation))
    members_a_look = (train + validation) // config.folds if config.folds else validation
    judging = look * min(members_a_look, config.validation_tiles)
    choosing = _SLOWER_TO_CHOOSE * judging * (len(config.blend_shares) + 2) if config.blend_shares else 0.0
    training = plan.steps * step + validated * (judging + float(measured["writing_s"]))
    seconds = once + scaled + training + choosing + stages["End"]
    memory = int(measured["memory_mb"])
    more = _TILE_MB * (train + validation - len(few.train) - len(few.validation))
    if config.cache_features:  # filled by all tiles, of which the trial has seen a few
        more += config.cache_memory_mb * (1 - len(few.train) / train)
    return Estimate(
        minutes=seconds / 60,
        low=_LOW * seconds / 60,
        high=_HIGH * seconds / 60,
        memory_mb=memory + round(more) if memory else 0,
        steps=plan.steps,
    )
