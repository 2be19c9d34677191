"""What can be chosen about learning in the open image. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import SettingsError

_CELL_PX = 16


@dataclass(frozen=True, kw_only=True)
class LearnSettings:
    """How a model learns from finished areas; the defaults were tuned on patients that no table reports.

    Attributes
    ----------
    steps : int
        Batches that each part of the finished area teaches.
    batch : int
        Crops of a batch.
    crop_px : int
        Side of a crop in model pixels, a multiple of 16; smaller where the image is.
    learning_rate : float
        Of the first step; it falls to 0 along half a cosine.
    weight_decay : float
        Of AdamW; normalisation and biases are not decayed.
    dice_weight : float
        Of the soft Dice term beside the cross-entropy.
    statistics_share : float
        How much of the image's own normalisation statistics is mixed in, 0..1.
    hold_weight : float
        How strongly the rest of the image is held to the base model's answer, for a base model that was always right
        in the finished area; in proportion less for one that was not.
    seed : int
        Of crops and flips: the same areas, settings and seed give the same model.
    memory_bytes : int
        Most that is kept of the image's features.

    Raises
    ------
    SettingsError
        If a value makes no sense.
    """

    steps: int = 30
    batch: int = 2
    crop_px: int = 160
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    dice_weight: float = 1.0
    statistics_share: float = 0.5
    hold_weight: float = 0.0
    seed: int = 0
    memory_bytes: int = 1 << 30

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "memory_bytes"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} must be 1 or more, not {getattr(self, name)}.")
        if self.crop_px < _CELL_PX or self.crop_px % _CELL_PX:
            raise SettingsError(f"crop_px must be a multiple of {_CELL_PX}, not {self.crop_px}.")
        if not 0.0 <= self.statistics_share <= 1.0:
            raise SettingsError(f"statistics_share must lie in 0..1, not {self.statistics_share}.")
        if not 0.0 < self.learning_rate <= 1.0:
            raise SettingsError(f"learning_rate must lie above 0 and up to 1, not {self.learning_rate}.")
        for name in ("weight_decay", "dice_weight", "hold_weight"):
            if not getattr(self, name) >= 0.0:
                raise SettingsError(f"{name} must be 0 or more, not {getattr(self, name)}.")
