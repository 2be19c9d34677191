"""The training loop: a resumable generator that knows no screen."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from ...model.checkpoint import Model
from ...model.runtime import keep_freed_memory
from ...progress import Job, Progress
from ..config import TrainConfig
from ..data.prefetch import Prefetched, workers_for
from ..data.sampler import TaskSampler, tissue_frequency
from ..data.tile_sources import LoadedTile, Tile
from ..data.views import ViewSampler
from ..early_stopping import Keep
from ..process_group import ProcessGroup, process_group
from ..run_folder import FEATURES_FOLDER, append_metrics, load_checkpoint, save_checkpoint, trim_metrics
from ..torch_errors import explaining
from ..transfer.feature_cache import FeatureCache, ViewStore
from ..validation import validate
from .callbacks import Callback, ValidationResult
from .curve_picture import write_curves
from .trainer import Trained, Trainer

Batches = TaskSampler | Prefetched | FeatureCache


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """Tiles of the two sides a run may look at, and their pixels."""

    train: Sequence[Tile]
    validation: Sequence[Tile]
    loaded: Mapping[str, LoadedTile]


def train(
    config: TrainConfig,
    data: TrainingData,
    folder: Path,
    *,
    resume: bool = False,
    callback: Callback | None = None,
    base: Model | None = None,
) -> Job[Trained]:
    """Train; yields at every batch.

    A kill at any moment loses at most ``checkpoint_every_s`` seconds: a resumed run draws the same batches and gives
    the same losses as one that was never stopped. Under ``torchrun`` the processes share the work.

    Parameters
    ----------
    config : TrainConfig
    data : TrainingData
    folder : Path
        Run folder; checkpoint and metrics go there.
    resume : bool
        Go on from the folder's checkpoint.
    callback : Callback or None
        Looks on, and may ask for a checkpoint or the end.
    base : Model, optional
        What the run starts from, where it is open already.

    Raises
    ------
    DataError
        If there is nothing to resume from, or a loss is not finite (the last good checkpoint stays).
    DeviceError
        If memory runs out, or the graphics card fails.
    CerberusError
        If torch fails in another way.
    """
    keep_freed_memory()
    if config.threads:
        torch.set_num_threads(config.threads)
    with process_group(config.device) as group:
        trainer = Trainer(config, group, tissue_frequency(config, data.train), base)
        return (yield from _train(config, data, folder, group, trainer, resume, callback or Callback()))


def _train(
    config: TrainConfig,
    data: TrainingData,
    folder: Path,
    group: ProcessGroup,
    trainer: Trainer,
    resume: bool,
    callback: Callback,
) -> Job[Trained]:
    for note in trainer.notes:
        yield Progress("Starting", message=note)
    yield from trainer.teacher_targets(data.train, data.loaded)
    if resume:
        trainer.restore(load_checkpoint(folder))
        if group.is_rank_zero:
            trim_metrics(folder, trainer.step)
    with _batches(config, data, trainer, folder, group) as batches:
        if isinstance(batches, FeatureCache):
            with explaining(trainer.step):
                yield from batches.fill(range(trainer.step, config.steps))
        keep = yield from _advance(config, data, folder, group, trainer, batches, callback)
    return trainer.result(keep)


@contextmanager
def _batches(
    config: TrainConfig, data: TrainingData, trainer: Trainer, folder: Path, group: ProcessGroup
) -> Iterator[Batches]:
    """Where batches come from: new augmentations at every step, or what was kept of a fixed number of views."""
    if not config.cache_features:
        yield from _fresh(config, data, trainer, group)
        return
    sampler = ViewSampler(config, data.train, data.loaded, rank=group.rank)
    store = ViewStore(folder / FEATURES_FOLDER / str(group.rank), config.cache_memory_mb * 2**20)
    try:
        yield FeatureCache(sampler, trainer.frozen, store)
    finally:
        store.close()


def _fresh(
    config: TrainConfig, data: TrainingData, trainer: Trainer, group: ProcessGroup
) -> Iterator[TaskSampler | Prefetched]:
    sampler = TaskSampler(config, data.train, data.loaded, rank=group.rank)
    workers = workers_for(config.workers, trainer.device, group.size)
    if not workers:
        yield sampler
        return
    prefetched = Prefetched(sampler, range(trainer.step, config.steps), workers)
    try:
        yield prefetched
    finally:
        prefetched.close()


def _advance(
    config: TrainConfig,
    data: TrainingData,
    folder: Path,
    group: ProcessGroup,
    trainer: Trainer,
    batches: Batches,
    callback: Callback,
) -> Job[Keep]:
    saved = time.monotonic()
    while (keep := group.from_rank_zero(lambda: trainer.early_stopping(callback))) is None:
        losses = trainer.advance(batches.batch(trainer.step))
        if group.is_rank_zero:
            append_metrics(folder, {"step": trainer.step, "rate": trainer.rate, **losses})
            callback.trained(trainer.step, losses)
        due = trainer.step % config.validate_every == 0 or trainer.step == config.steps
        if due:
            yield Progress("Validating", trainer.step, config.steps)
            _judge(trainer, data, config, folder, group, callback)
        if group.is_rank_zero and (
            due or callback.wants_checkpoint() or time.monotonic() - saved > config.checkpoint_every_s
        ):
            save_checkpoint(folder, trainer.state())
            saved = time.monotonic()
        group.wait()
        yield Progress("Training", trainer.step, config.steps, _describe(losses, trainer))
    if not trainer.best_step or (keep == "last" and trainer.validated_step != trainer.step):
        yield Progress("Validating", trainer.step, config.steps)
        _judge(trainer, data, config, folder, group, callback)
    return keep


def _judge(
    trainer: Trainer, data: TrainingData, config: TrainConfig, folder: Path, group: ProcessGroup, callback: Callback
) -> None:
    network = trainer.kept()
    with explaining(trainer.step):
        scores = group.from_rank_zero(lambda: validate(network, data.validation, data.loaded, config))
    trainer.judge(network, scores)
    if group.is_rank_zero:
        append_metrics(folder, {"step": trainer.step, "validation": asdict(scores)})
        write_curves(folder)
        view = {"validation": data.validation, "loaded": data.loaded, "config": config}
        step, best = trainer.step, trainer.best_step
        callback.validated(ValidationResult(step=step, best_step=best, scores=scores, network=network, **view))  # type: ignore[arg-type]


def _describe(losses: Mapping[str, float], trainer: Trainer) -> str:
    return ", ".join(f"{key} {loss:.3f}" for key, loss in losses.items()) + f"; step {trainer.step}"
