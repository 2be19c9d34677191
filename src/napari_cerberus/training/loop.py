"""The training loop: a resumable generator that knows no screen."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..errors import CerberusError, DataError
from ..model.network import Cerberus
from ..model.runtime import cpu_has_bfloat16, keep_freed_memory
from ..progress import Job, Progress
from .averaging import RunningAverage
from .config import OptimiserSettings, TrainConfig
from .curves import write_curves
from .data import LoadedTile, Tile
from .distributed import Team, team
from .feature_cache import FeatureCache, ViewStore
from .frozen import FrozenPart, KeptBatch
from .losses import dense_loss, finite, tissue_loss
from .run_folder import FEATURES_FOLDER, append_metrics, load_checkpoint, save_checkpoint, trim_metrics
from .sampler import Batch, TaskSampler, tissue_frequency
from .transfer import starting_network
from .validate import Scores, validate
from .views import ViewSampler


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """Tiles of the two sides a run may look at, and their pixels."""

    train: Sequence[Tile]
    validation: Sequence[Tile]
    loaded: Mapping[str, LoadedTile]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """Outcome: the best averaged weights by validation, their scores, the step they came from."""

    network: Cerberus
    scores: Scores
    step: int
    seconds: float


def train(
    config: TrainConfig,
    data: TrainingData,
    folder: Path,
    *,
    resume: bool = False,
    start: Cerberus | None = None,
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

    Raises
    ------
    DataError
        If there is nothing to resume from, or a loss is not finite (the last good checkpoint stays).
    CerberusError
        If torch fails (out of memory and the like).
    """
    keep_freed_memory()
    with team() as us:
        return (yield from _train(config, data, folder, us, resume))


def _train(config: TrainConfig, data: TrainingData, folder: Path, us: Team, resume: bool) -> Job[Trained]:
    trainer = Trainer(config, us, tissue_frequency(config, data.train))
    for note in trainer.notes:
        yield Progress("Starting", message=note)
    if resume:
        trainer.restore(load_checkpoint(folder))
        if us.leads:
            trim_metrics(folder, trainer.step)
    with _batches(config, data, trainer, folder, us) as batches:
        if isinstance(batches, FeatureCache):
            yield from batches.fill(range(trainer.step, config.steps))
        yield from _advance(config, data, folder, us, trainer, batches)
    return trainer.result()


@contextmanager
def _batches(
    config: TrainConfig, data: TrainingData, trainer: Trainer, folder: Path, us: Team
) -> Iterator[TaskSampler | FeatureCache]:
    """Where batches come from: new augmentations at every step, or what was kept of a fixed number of views."""
    if not config.cache_features:
        yield TaskSampler(config, data.train, data.loaded, rank=us.rank)
        return
    sampler = ViewSampler(config, data.train, data.loaded, rank=us.rank)
    store = ViewStore(folder / FEATURES_FOLDER / str(us.rank), config.cache_memory_mb * 2**20)
    try:
        yield FeatureCache(sampler, trainer.frozen, store)
    finally:
        store.close()


def _advance(
    config: TrainConfig,
    data: TrainingData,
    folder: Path,
    us: Team,
    trainer: Trainer,
    batches: TaskSampler | FeatureCache,
) -> Job[None]:
    saved = time.monotonic()
    while trainer.step < config.steps:
        losses = trainer.advance(batches.batch(trainer.step))
        if us.leads:
            append_metrics(folder, {"step": trainer.step, "rate": trainer.rate, **losses})
        due = trainer.step % config.validate_every == 0 or trainer.step == config.steps
        if due:
            yield Progress("Validating", trainer.step, config.steps)
            trainer.judge(validate(trainer.averaged, data.validation, data.loaded, config))
            if us.leads:
                append_metrics(folder, {"step": trainer.step, "validation": asdict(trainer.last_scores)})
                write_curves(folder)
        if us.leads and (due or time.monotonic() - saved > config.checkpoint_every_s):
            save_checkpoint(folder, trainer.state())
            saved = time.monotonic()
        us.wait()
        yield Progress("Training", trainer.step, config.steps, _describe(losses, trainer))


class Trainer:
    """Network, averaged network, optimiser and schedule, as one thing that advances, saves and restores."""

    def __init__(self, config: TrainConfig, us: Team | None = None, frequency: Tensor | None = None) -> None:
        self._config = config
        self._frequency = frequency
        self._types = {task.key for task in config.tasks if task.kind == "types"}
        self._us = us or Team()
        self._device = _device(config.device)
        self._bf16 = config.precision == "bf16" or (
            config.precision == "auto" and (self._device.type == "cuda" or cpu_has_bfloat16())
        )
        network, self.notes = starting_network(config)
        self.network = network.to(self._device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self._ema = RunningAverage(self.network, config.optimiser.ema_decay)
        self._optimiser = make_optimiser(self.network, config.optimiser)
        self._schedule = make_schedule(self._optimiser, config.optimiser, config.steps)
        self.step = 0
        self._seconds = 0.0
        self.last_scores = Scores()
        self._best: dict[str, Any] = {}

    @property
    def rate(self) -> float:
        """Learning rate of the next step."""
        return float(self._optimiser.param_groups[0]["lr"])

    @property
    def averaged(self) -> Cerberus:
        """The network that is validated and kept: the running average, or the plain one without averaging."""
        return cast(Cerberus, self._ema.module) if self._config.optimiser.ema_decay else self.network

    @property
    def frozen(self) -> FrozenPart:
        """What a feature cache needs of the network. Raises ``SettingsError`` where the whole encoder trains."""
        return FrozenPart(self.network, bf16=self._bf16)

    def advance(self, batch: Batch | KeptBatch) -> dict[str, float]:
        """One optimiser step; returns the loss of each task. Tasks that the batch lacks stay untouched."""
        began = time.monotonic()
        self.network.train()
        self._optimiser.zero_grad(set_to_none=True)
        try:
            losses = self._losses(batch)
            total = torch.stack([self._config.head_weights.get(key, 1.0) * loss for key, loss in losses.items()]).sum()
            if not finite(total):
                raise DataError(
                    f"The loss is not finite at step {self.step}; the last checkpoint is kept. Lower the learning rate."
                )
            total.backward()  # type: ignore[no-untyped-call]
            self._us.average_gradients(self.network.parameters())
        except RuntimeError as error:
            raise CerberusError(f"Training failed at step {self.step}: {error}") from error
        if self._config.optimiser.clip_norm:
            nn.utils.clip_grad_norm_(self.network.parameters(), self._config.optimiser.clip_norm)
        self._optimiser.step()
        self._schedule.step()
        self._us.share_statistics(self.network)
        self._ema.update_parameters(self.network)
        self.step += 1
        self._seconds += time.monotonic() - began
        return {key: float(loss.detach()) for key, loss in losses.items()}

    def _losses(self, batch: Batch | KeptBatch) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = {}
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            logits = self.frozen.logits(batch) if isinstance(batch, KeptBatch) else self._logits(batch)
            for key, answer in logits.items():
                target = batch.targets[key].to(self._device)
                if key in batch.weights:
                    weights = batch.weights[key].to(self._device)
                    dice_weight = 1.0 if key in self._types else self._config.dice_weight
                    losses[key] = dense_loss(answer, target, weights, dice_weight)
                else:
                    losses[key] = self._tissue_loss(answer, target)
        return losses

    def _tissue_loss(self, logits: Tensor, target: Tensor) -> Tensor:
        config = self._config
        return tissue_loss(
            logits, target, config.label_smoothing, frequency=self._frequency, weighting=config.tissue_weighting
        )

    def _logits(self, batch: Batch) -> dict[str, Tensor]:
        images = batch.images.to(self._device, memory_format=torch.channels_last)
        features = self.network.encode(images)
        logits = {}
        for key, rows in batch.rows.items():
            some = features if len(rows) == len(images) else [f[rows.to(self._device)] for f in features]
            logits[key] = self.network.decode(some, [key])[key]
        return logits

    def judge(self, scores: Scores) -> None:
        """Keep the averaged weights if they are the best so far."""
        self.last_scores = scores
        if not self._best or scores.overall >= self._best["scores"]["overall"]:
            weights = {name: value.detach().cpu().clone() for name, value in self.averaged.state_dict().items()}
            self._best = {
                "weights": weights,
                "scores": {**asdict(scores), "overall": scores.overall},
                "step": self.step,
            }

    def state(self) -> dict[str, Any]:
        """Everything a resumed run needs: tensors and plain Python types only."""
        return {
            "step": self.step,
            "seconds": self._seconds,
            "network": self.network.state_dict(),
            "average": self._ema.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "best": self._best,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a saved state.

        Raises
        ------
        DataError
            If it belongs to another network or configuration.
        """
        try:
            self.network.load_state_dict(state["network"])
            self._ema.load_state_dict(state["average"])
            self._optimiser.load_state_dict(state["optimiser"])
            self._schedule.load_state_dict(state["schedule"])
            self.step, self._seconds, self._best = state["step"], state["seconds"], state["best"]
        except (KeyError, RuntimeError, ValueError) as error:
            raise DataError(f"The checkpoint belongs to another configuration: {error}") from error

    def result(self) -> Trained:
        """The best network by validation."""
        network = Cerberus(self._config.tasks, self._config.tissue_window_cells)
        network.load_state_dict(self._best["weights"])
        kept = {name: value for name, value in self._best["scores"].items() if name != "overall"}
        return Trained(network=network.eval(), scores=Scores(**kept), step=self._best["step"], seconds=self._seconds)


def make_optimiser(network: nn.Module, settings: OptimiserSettings) -> torch.optim.Optimizer:
    """Optimiser over the parameters that train; normalisation and biases are not decayed."""
    trainable = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if settings.name == "sgd":
        return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=0.9, nesterov=True)
    kind = torch.optim.AdamW if settings.name == "adamw" else torch.optim.Adam
    return kind(groups, lr=settings.learning_rate)


def make_schedule(
    optimiser: torch.optim.Optimizer, settings: OptimiserSettings, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """Learning-rate schedule over ``steps`` batches."""
    if settings.schedule == "onecycle":
        return torch.optim.lr_scheduler.OneCycleLR(
            optimiser, settings.learning_rate, total_steps=steps + 1, pct_start=0.15, cycle_momentum=False
        )
    factor = {
        "cosine": lambda step: 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0))),
        "step": lambda step: 1.0 if step < steps / 2 else 0.1,
        "constant": lambda step: 1.0,
    }[settings.schedule]
    return torch.optim.lr_scheduler.LambdaLR(optimiser, factor)


def _device(name: str) -> torch.device:
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _describe(losses: Mapping[str, float], trainer: Trainer) -> str:
    return ", ".join(f"{key} {loss:.3f}" for key, loss in losses.items()) + f"; step {trainer.step}"
