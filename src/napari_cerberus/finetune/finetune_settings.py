"""What the user chooses for a fine-tune, and what the presets mean."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from ..errors import SettingsError
from ..tasks import CERBERUS_TASKS

Preset = Literal["quick", "standard", "thorough"]
Purpose = Literal["laboratory", "everyone"]
Sampling = Literal["fixed", "mixed"]
PRESETS: tuple[Preset, ...] = get_args(Preset)
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
AUGMENTATIONS = ("elastic", "rotation", "flip", "brightness_contrast", "blur", "stain", "resolution")
"""Augmentations whose probabilities can be set."""
ENOUGH_TO_CHOOSE = 5
"""Validation patients below which each patient is left out of one of several models, and all of them choose."""


@dataclass(frozen=True, kw_only=True)
class PresetValues:
    """What a preset does: all learn with the whole network, and differ in time.

    Attributes
    ----------
    epochs, most_steps : int
        Passes over the training tiles, and the most batches that makes by itself.
    batch_size : int
    learning_rate : float
        At its highest.
    train_from_layer : int
        Encoder layers from this one on train; 1: all of it.
    """

    epochs: int
    most_steps: int
    batch_size: int = 4
    learning_rate: float = 5e-4
    train_from_layer: int = 1


PRESET_VALUES: Mapping[Preset, PresetValues] = {
    "quick": PresetValues(epochs=60, most_steps=200),
    "standard": PresetValues(epochs=120, most_steps=500),
    "thorough": PresetValues(epochs=400, most_steps=1500, learning_rate=3e-4),
}


@dataclass(frozen=True, kw_only=True)
class PurposeValues:
    """What a purpose does.

    Attributes
    ----------
    first_layer : int
        Encoder layers before this one stay, whatever the preset says.
    keep_statistics : bool
        Normalisation statistics stay the base model's.
    distillation : float
        Weight of the term that holds dense heads to the base model's answers on drawn tissue (Li and Hoiem 2016).
    most_forgotten : float or None
        Dice on the old domain that may be lost; None: told, not limited.
    """

    first_layer: int
    keep_statistics: bool
    distillation: float
    most_forgotten: float | None


PURPOSE_VALUES: Mapping[Purpose, PurposeValues] = {
    "laboratory": PurposeValues(first_layer=1, keep_statistics=False, distillation=0.0, most_forgotten=None),
    "everyone": PurposeValues(first_layer=2, keep_statistics=True, distillation=2.0, most_forgotten=0.02),
}
"""``laboratory``: as good as possible on patients like the user's own. ``everyone``: the old domain stays as it was.

The same network trained plainly and then mixed with the old weights gave an other hospital's glands an object Dice of
.82 to .86, where heads and last blocks with half of the new weights thrown away gave .69 (``docs/finetuning.md``).
"""


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings:
    """The user's choices; None means the preset's value.

    Attributes
    ----------
    pairs_folder : Path
        Folder of training pairs (``docs/pairs_format.md``).
    name : str
        Name of the new model; "": made from the base model's name and the date.
    preset : {"quick", "standard", "thorough"}
        How long.
    purpose : {"laboratory", "everyone"}
        Whom the new model is for: patients like the user's own, or those of the old model too.
    base_model : str
        Name or path; "": the promoted model.
    tasks : tuple of str
        Task keys to train; (): every task that the pairs have checked labels for.
    train_from_layer : int or None
        Encoder layers from this one on train, 1..5; 5: none.
    epochs, batch_size : int or None
    learning_rate : float or None
    augment : mapping of augmentation to probability, 0..1
        What is not named keeps its usual probability.
    sampling : {"fixed", "mixed"}
    seed : int
    """

    pairs_folder: Path
    name: str = ""
    preset: Preset = "quick"
    purpose: Purpose = "laboratory"
    base_model: str = ""
    tasks: tuple[str, ...] = ()
    train_from_layer: int | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    augment: Mapping[str, float] = field(default_factory=dict)
    sampling: Sampling = "fixed"
    seed: int = 0

    def __post_init__(self) -> None:
        _require(self.preset in PRESETS, f"preset must be one of {', '.join(PRESETS)}, not {self.preset!r}.")
        _require(self.purpose in PURPOSES, f"purpose must be one of {', '.join(PURPOSES)}, not {self.purpose!r}.")
        _require(self.sampling in get_args(Sampling), f"sampling must be fixed or mixed, not {self.sampling!r}.")
        for key in self.tasks:
            known = [task.key for task in CERBERUS_TASKS]
            _require(key in known, f"tasks may be {', '.join(known)}, not {key!r}.")
        layer = self.train_from_layer
        _require(layer is None or 1 <= layer <= 5, f"train_from_layer must lie in 1..5, not {layer}.")
        _require(self.epochs is None or self.epochs >= 1, f"epochs must be at least 1, not {self.epochs}.")
        size = self.batch_size
        _require(size is None or 2 <= size <= 256, f"batch_size must lie in 2..256, not {size}.")
        rate = self.learning_rate
        _require(rate is None or 0 < rate <= 1, f"learning_rate must lie in 0..1, not {rate}.")
        for name, share in self.augment.items():
            _require(name in AUGMENTATIONS, f"augment may name {', '.join(AUGMENTATIONS)}, not {name!r}.")
            _require(math.isfinite(share) and 0 <= share <= 1, f"augment.{name} is a probability, 0..1, not {share}.")
        _require(0 <= self.seed < 2**32, f"seed must be a whole number from 0, not {self.seed}.")
        _require("\n" not in self.name, "The name of the new model must be one line.")

    @property
    def values(self) -> PresetValues:
        """What the preset does, without the user's changes."""
        return PRESET_VALUES[self.preset]

    @property
    def aim(self) -> PurposeValues:
        """What the purpose does."""
        return PURPOSE_VALUES[self.purpose]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**asdict(self), "pairs_folder": str(self.pairs_folder), "tasks": list(self.tasks)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FinetuneSettings:
        """Read what ``to_json`` wrote. Raises ``SettingsError`` or ``TypeError`` for anything else."""
        return cls(**{**data, "pairs_folder": Path(data["pairs_folder"]), "tasks": tuple(data["tasks"])})


def preset_values(preset: Preset) -> dict[str, Any]:
    """Values of a preset for a form: every field of ``FinetuneSettings`` that may be None."""
    values = PRESET_VALUES[preset]
    return {name: getattr(values, name) for name in ("train_from_layer", "epochs", "batch_size", "learning_rate")}


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise SettingsError(message)
