"""Train a comparison network exactly as ours is trained: batches, targets, loss, optimiser, schedule, averaging and the
choice of the best weights by validation all come from ``napari_cerberus.training``. Used by ``thesis_tables.py``.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from comparison_networks import OneTask
from napari_cerberus.errors import DataError
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.model.spec import ModelSpec
from napari_cerberus.pairs.split import read_split
from napari_cerberus.progress import Job, Progress
from napari_cerberus.training.config import TrainConfig
from napari_cerberus.training.config_file import read_config
from napari_cerberus.training.data.sampler import TaskSampler
from napari_cerberus.training.data.tile_sources import collect, in_memory
from napari_cerberus.training.engine.losses import dense_loss, finite
from napari_cerberus.training.engine.optimiser import make_optimiser, make_schedule
from napari_cerberus.training.engine.training_run import by_subset
from napari_cerberus.training.engine.weight_average import RunningAverage
from napari_cerberus.training.run_folder import (
    CHECKPOINT_FILE,
    append_metrics,
    load_checkpoint,
    save_checkpoint,
    trim_metrics,
)
from napari_cerberus.training.validation import validate


def train_comparison(kind: str, config_path: Path, folder: Path) -> Job[Model]:
    """Train, or go on from the folder's checkpoint; returns the best weights by validation as a model.

    Raises
    ------
    DataError
        If a loss is not finite.
    """
    config = read_config(config_path)
    (task,) = config.tasks
    torch.manual_seed(config.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = OneTask(kind, task).to(device).train()
    average = RunningAverage(network, config.optimiser.ema_decay)
    optimiser = make_optimiser(network, config.optimiser)
    schedule = make_schedule(optimiser, config.optimiser, config.steps)
    parts: dict[str, Any] = {"network": network, "average": average, "optimiser": optimiser, "schedule": schedule}
    state: dict[str, Any] = {"step": 0, "best": {}}
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / CHECKPOINT_FILE).exists():
        state = load_checkpoint(folder)
        for name, part in parts.items():
            part.load_state_dict(state[name])
        trim_metrics(folder, state["step"])
    step, best, saved = state["step"], state["best"], time.monotonic()
    sides = by_subset(
        collect(config.sources, config.tasks, config.root(config_path.parent)),
        read_split(config_path.parent / config.split_file),
    )
    loaded = in_memory([*sides["train"], *sides["validation"]])
    sampler = TaskSampler(config, sides["train"], loaded)
    while step < config.steps:
        yield Progress(f"Training {kind}", step, config.steps)
        network.progressed(step / config.steps)
        loss = _advance(network, sampler, step, config)
        optimiser.step()
        schedule.step()
        average.update_parameters(network)
        step += 1
        append_metrics(folder, {"step": step, task.key: loss})
        due = step % config.validate_every == 0 or step == config.steps
        if due:
            scores = validate(average.module, sides["validation"], loaded, config)
            append_metrics(folder, {"step": step, "validation": asdict(scores)})
            if not best or scores.overall >= best["overall"]:
                weights = {name: value.cpu().clone() for name, value in average.module.state_dict().items()}
                best = {"weights": weights, "overall": scores.overall, "step": step}
        if due or time.monotonic() - saved > config.checkpoint_every_s:
            save_checkpoint(
                folder, {"step": step, "best": best, **{name: part.state_dict() for name, part in parts.items()}}
            )
            saved = time.monotonic()
    network.load_state_dict(best["weights"])
    known = {f"{side}_patients": sorted({tile.patient for tile in tiles}) for side, tiles in sides.items()}
    return _as_model(kind, network, config, known)


def untrained(kind: str, config_path: Path) -> Model:
    """A network that has nothing to learn, as a model."""
    config = read_config(config_path)
    (task,) = config.tasks
    return _as_model(kind, OneTask(kind, task), config, {})


def _advance(network: nn.Module, sampler: TaskSampler, step: int, config: TrainConfig) -> float:
    batch = sampler.batch(step)
    (key,) = batch.rows
    network.train()
    network.zero_grad(set_to_none=True)
    device = next(network.parameters()).device
    logits = network(batch.images[batch.rows[key]].to(device), [key])[key]
    target, weights = batch.targets[key].to(device), batch.weights[key].to(device)
    loss = dense_loss(logits, target, weights, config.dice_weight)
    if not finite(loss):
        raise DataError(f"The loss is not finite at step {step}; the last checkpoint is kept.")
    loss.backward()
    if config.optimiser.clip_norm:
        nn.utils.clip_grad_norm_(network.parameters(), config.optimiser.clip_norm)
    return float(loss.detach())


def _as_model(kind: str, network: nn.Module, config: TrainConfig, provenance: dict[str, Any]) -> Model:
    network = network.cpu()
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode() + value.detach().float().numpy().tobytes())
    spec = ModelSpec(name=kind, tasks=config.tasks, pixel_size_um=config.pixel_size_um, provenance=provenance)
    return Model(network=network.eval().requires_grad_(False), spec=spec, sha256=digest.hexdigest())
