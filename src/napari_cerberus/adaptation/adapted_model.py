"""What learning in the open image gives: a temporary child of the model, how it was made, and what to tell the user."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor

from ..annotation.finished_areas import FinishedArea
from ..model.checkpoint import Model, save_model
from ..model.library.entries import ModelEntry
from ..model.library.manage import add_model
from ..progress import Job, Progress
from .kept_features import Features
from .learn_settings import LearnSettings

FORMAT = "napari-cerberus learned here/1"


@dataclass(frozen=True, kw_only=True)
class TaskGain:
    """What became of one task.

    Attributes
    ----------
    task : str
    keep : float
        Share of the newly learned weights in the child; 0: its decoder is as it was.
    before, after : float
        Mean of object Dice, PQ and Dice on held-out finished pixels; NaN where nothing could be judged.
    reason : str
        Why nothing was learned, in one sentence; empty where something was.
    """

    task: str
    keep: float
    before: float
    after: float
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Round:
    """One round of learning: enough to do it again (``learn`` with the same lessons, settings and base).

    Attributes
    ----------
    areas : mapping of name of the image to tuple of FinishedArea
    settings : LearnSettings
    gains : tuple of TaskGain
    """

    areas: Mapping[str, tuple[FinishedArea, ...]]
    settings: LearnSettings
    gains: tuple[TaskGain, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        gains = [
            {"task": one.task, "keep": one.keep, "before": round(one.before, 4), "after": round(one.after, 4)}
            for one in self.gains
            if one.before == one.before  # nothing judged: NaN is no JSON
        ]
        return {
            "areas": {name: [area.to_json() for area in areas] for name, areas in self.areas.items()},
            "settings": self.settings.to_json(),
            "gains": gains,
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Adapted:
    """The result of ``learn``.

    Attributes
    ----------
    model : Model
        The child, on the CPU; where nothing changed, the model that learning started from.
    base : Model
        The model of the first round.
    rounds : tuple of Round
        Rounds that changed something, the first first.
    gains : tuple of TaskGain
        Of this round, every finished task.
    changed : bool
        Whether this round changed anything.
    sentence : str
        For the user: what was learned, or why nothing was.
    notes : tuple of str
        Further sentences worth telling.
    seconds : float
    features : mapping of (name of an image, pixel size in µm) to Features
        Kept for annotating again; images that are kept whole only.
    """

    model: Model
    base: Model
    rounds: tuple[Round, ...] = ()
    gains: tuple[TaskGain, ...] = ()
    changed: bool
    sentence: str
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    features: Mapping[tuple[str, float], Features] = field(default_factory=dict)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks that the child reads better and that should be annotated again; for all others use the base model."""
        return tuple(sorted({one.task for done in self.rounds for one in done.gains if not one.reason}))


def child_of(parent: Model, base: Model, state: Mapping[str, Tensor], rounds: Sequence[Round]) -> Model:
    """A new model with some weights replaced; its record says what it was made from.

    Parameters
    ----------
    parent : Model
        Left as it is.
    base : Model
        Of the first round; named in the record.
    state : mapping of name to tensor
        Decoders that learned.
    rounds : sequence of Round
    """
    record = {
        "format": FORMAT,
        "parent": {"name": base.name, "sha256": base.sha256},
        "rounds": [one.to_json() for one in rounds],
    }
    earlier = {key: value for key, value in base.spec.provenance.items() if key != "finetune"}
    provenance = {**earlier, "started_from": record["parent"], "learned_here": record}
    return with_weights(parent, state, f"{base.name}, taught in this image", provenance)


def with_weights(parent: Model, state: Mapping[str, Tensor], name: str, provenance: Mapping[str, Any]) -> Model:
    """A model of its own, with a name, a record and a SHA-256: ``parent`` with some of its numbers replaced."""
    twin = copy.deepcopy(parent.network).cpu().float().eval().requires_grad_(False)
    twin.load_state_dict({name: value.cpu() for name, value in state.items()}, strict=False)
    digest = hashlib.sha256(parent.sha256.encode())
    for key, value in twin.state_dict().items():
        digest.update(key.encode() + value.contiguous().numpy().tobytes())
    spec = replace(parent.spec, name=name, provenance=provenance)
    return Model(network=twin, spec=spec, sha256=digest.hexdigest())


def keep_model(model: Model, name: str, card: str) -> Job[ModelEntry]:
    """Add a model to the library under a name; it is not promoted. Raises ``CerberusError``."""
    yield Progress("Writing the model")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        save_model(path, model.network, model.spec, card=card)
        yield Progress("Adding it to the library")
        return add_model(path, name)
