"""What trains: network, averaged network, optimiser and schedule, a step at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from ...errors import DataError
from ...model.checkpoint import Model
from ...model.network import Cerberus
from ...model.runtime import has_bfloat16, training_format
from ...progress import Job
from ..config import TrainConfig
from ..data.sampler import Batch
from ..data.tile_sources import LoadedTile, Tile
from ..early_stopping import Keep
from ..process_group import ProcessGroup
from ..torch_errors import explaining
from ..transfer.distillation import TILES, TeacherTargets, teacher_targets_of
from ..transfer.frozen_part import FrozenPart, KeptBatch
from ..transfer.initial_weights import open_base, starting_network
from ..transfer.kept_answers import KeptAnswers, kept_answers_of
from ..transfer.stain_matched import out_of_domain_tiles
from ..transfer.weight_interpolation import WeightInterpolation
from ..validation import Scores
from .callbacks import Callback
from .losses import dense_loss, finite, tissue_loss
from .optimiser import make_optimiser, make_schedule
from .weight_average import RunningAverage


@dataclass(frozen=True, kw_only=True)
class Trained:
    """Outcome: the best averaged weights by validation, their scores, the step they came from; why it ended early."""

    network: Cerberus
    scores: Scores
    step: int
    seconds: float
    ended: str = ""


class Trainer:
    """Network, averaged network, optimiser and schedule, as one thing that advances, saves and restores."""

    def __init__(
        self,
        config: TrainConfig,
        group: ProcessGroup | None = None,
        frequency: Tensor | None = None,
        base: Model | None = None,
    ) -> None:
        self._config = config
        self._frequency = frequency
        self._types = {task.key for task in config.tasks if task.kind == "types"}
        self._group = group or ProcessGroup()
        self.device = _device(config.device)
        self._bf16 = config.precision == "bf16" or (config.precision == "auto" and has_bfloat16(self.device))
        self.base = base or open_base(config)
        network, self.notes = starting_network(config, self.base)
        self._format = training_format(self.device, bf16=self._bf16)
        with explaining(0):
            self.network = network.to(self.device, memory_format=self._format).train()  # type: ignore[call-overload]
            self._ema = RunningAverage(self.network, config.optimiser.ema_decay)
        self._optimiser = make_optimiser(self.network, config.optimiser)
        self._schedule = make_schedule(self._optimiser, config.optimiser, config.steps)
        self._interpolation = WeightInterpolation(config, self.base)
        self._memory: TeacherTargets | None = None
        self._untaught: KeptAnswers | None = None
        self.step = 0
        self._seconds = 0.0
        self._best: dict[str, Any] = {}
        self._last: dict[str, Any] = {}
        self._ended = ""

    def teacher_targets(self, tiles: Sequence[Tile] = (), loaded: Mapping[str, LoadedTile] | None = None) -> Job[None]:
        """Note what the base model says, for steps that are held to it; before the first step.

        Tasks that nobody teaches are held on ``tiles`` to learn from; with ``distillation`` all dense ones on drawn
        tissue, and on ``tiles`` that are stained unlike the base model's own, in the colours of drawn tissue.
        """
        if self._config.keep_answers and self.base is not None and loaded:
            self._untaught = yield from kept_answers_of(self._config, self.base, tiles, loaded)
        if not self._config.distillation:
            return
        with explaining(self.step):
            out_of_domain = (
                [loaded[id_] for id_ in out_of_domain_tiles(self.base.spec, tiles, loaded, TILES)]
                if loaded and self.base is not None
                else []
            )
            self._memory = yield from teacher_targets_of(
                self._config, self.frozen, self._interpolation.fresh, out_of_domain
            )

    @property
    def rate(self) -> float:
        """Learning rate of the next step."""
        return float(self._optimiser.param_groups[0]["lr"])

    @property
    def averaged(self) -> Cerberus:
        """The network that is validated and kept: the running average, or the plain one without averaging."""
        return cast(Cerberus, self._ema.module) if self._config.optimiser.ema_decay else self.network

    @property
    def best_step(self) -> int:
        """Step of the best validation so far; 0 before the first."""
        return int(self._best.get("step", 0))

    @property
    def validated_step(self) -> int:
        """Step of the last validation; 0 before the first."""
        return int(self._last.get("step", 0))

    def kept(self) -> Cerberus:
        """The network as it would be kept now: ``averaged``, with the base model's share."""
        return self._interpolation.blended(self.averaged)

    def early_stopping(self, callback: Callback) -> Keep | None:
        """The weights to keep if training is to end now, else None."""
        early_stopping = self._config.early_stopping
        if self.step >= (early_stopping.at_step or self._config.steps):
            return early_stopping.keep
        if self.step % self._config.validate_every == 0:
            self._ended = early_stopping.early_stop(self.step, self.best_step, self._config.validate_every)
        return early_stopping.keep if self._ended else callback.wants_end(self.step)

    @property
    def frozen(self) -> FrozenPart:
        """What a feature cache needs of the network. Raises ``SettingsError`` where the whole encoder trains."""
        return FrozenPart(self.network, bf16=self._bf16)

    def advance(self, batch: Batch | KeptBatch) -> dict[str, float]:
        """One optimiser step; returns the loss of each task. Tasks that the batch lacks stay untouched."""
        began = time.monotonic()
        self.network.train()
        self._interpolation.hold_statistics(self.network)
        self._optimiser.zero_grad(set_to_none=True)
        with explaining(self.step):
            losses = self._losses(batch)
            total = torch.stack([self._config.head_weights.get(key, 1.0) * loss for key, loss in losses.items()]).sum()
            if self._memory is not None:
                total = total + self._config.distillation * self._memory.loss(self.frozen, self.step)
            if self._untaught is not None:
                total = total + self._config.keep_answers * self._held_loss(self._untaught)
            self._refuse_endless(total, "loss is")
            total.backward()  # type: ignore[no-untyped-call]
            self._group.average_gradients(self.network.parameters())
            limit = self._config.optimiser.clip_norm or math.inf
            self._refuse_endless(nn.utils.clip_grad_norm_(self.network.parameters(), limit), "gradients are")
            self._optimiser.step()
            self._schedule.step()
            self._group.share_statistics(self.network)
            self._ema.update_parameters(self.network)
        self.step += 1
        self._seconds += time.monotonic() - began
        return {key: float(loss.detach()) for key, loss in losses.items()}

    def _held_loss(self, untaught: KeptAnswers) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16):
            loss = untaught.loss(self.network, self.step)
        self.network.train()
        self._interpolation.hold_statistics(self.network)
        return loss

    def _refuse_endless(self, value: Tensor, what: str) -> None:
        if not finite(value):
            raise DataError(
                f"The {what} not finite at step {self.step}; the last checkpoint is kept. Lower the learning rate."
            )

    def _losses(self, batch: Batch | KeptBatch) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = {}
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16):
            logits = self.frozen.logits(batch) if isinstance(batch, KeptBatch) else self._logits(batch)
            for key, answer in logits.items():
                target = batch.targets[key].to(self.device)
                if key in batch.weights:
                    weights = batch.weights[key].to(self.device)
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
        images = batch.images.to(self.device).to(torch.float32, memory_format=self._format)
        features = self.network.encode(images)
        logits = {}
        for key, rows in batch.rows.items():
            some = features if len(rows) == len(images) else [f[rows.to(self.device)] for f in features]
            logits[key] = self.network.decode(some, [key])[key]
        return logits

    def judge(self, network: Cerberus, scores: Scores) -> None:
        """Keep what was just judged as the last weights, and as the best if they are the best so far."""
        with explaining(self.step):
            weights = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
        metrics = {**asdict(scores), "overall": scores.overall}
        self._last = {"weights": weights, "scores": metrics, "step": self.step}
        if not self._best or scores.overall >= self._best["scores"]["overall"]:
            self._best = self._last

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

    def result(self, keep: Keep) -> Trained:
        """The best network by validation, or the last."""
        chosen = self._last if keep == "last" else self._best
        network = Cerberus(self._config.tasks, self._config.tissue_window_cells)
        network.load_state_dict(chosen["weights"])
        kept = {name: value for name, value in chosen["scores"].items() if name != "overall"}
        return Trained(
            network=network.eval(),
            scores=Scores(**kept),
            step=chosen["step"],
            seconds=self._seconds,
            ended=self._ended,
        )


def _device(name: str) -> torch.device:
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
