"""What can be chosen about learning in the open image. Standard library only."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, get_args

from ..errors import SettingsError
from ..inference.annotate_settings import DeviceChoice

_CELL_PX = 16


@dataclass(frozen=True, kw_only=True)
class LearnSettings:
    """How a model learns from finished areas; the defaults were chosen on patients that no table reports.

    Attributes
    ----------
    steps : int
        Batches that the finished area teaches; half as many for each of the two judgements before.
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
    keep : tuple of float
        How much of the new weights may be kept, each above 0 and up to 1.
    seed : int
        Of crops and flips: the same areas, settings and seed give the same model on the same computer.
    memory_bytes : int
        Most that is kept of the features of all images together.
    device : {"auto", "cpu", "cuda", "mps"}
        As for annotating.

    Raises
    ------
    SettingsError
        If a value makes no sense.
    """

    steps: int = 30
    batch: int = 4
    crop_px: int = 160
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    dice_weight: float = 1.0
    keep: tuple[float, ...] = (0.5, 1.0)
    seed: int = 0
    memory_bytes: int = 1 << 30
    device: DeviceChoice = "auto"

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "memory_bytes"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} must be 1 or more, not {getattr(self, name)}.")
        if self.crop_px < _CELL_PX or self.crop_px % _CELL_PX:
            raise SettingsError(f"crop_px must be a multiple of {_CELL_PX}, not {self.crop_px}.")
        if not 0.0 < self.learning_rate <= 1.0:
            raise SettingsError(f"learning_rate must lie above 0 and up to 1, not {self.learning_rate}.")
        for name in ("weight_decay", "dice_weight", "seed"):
            if not getattr(self, name) >= 0:
                raise SettingsError(f"{name} must be 0 or more, not {getattr(self, name)}.")
        if not self.keep or not all(0.0 < share <= 1.0 for share in self.keep):
            raise SettingsError(f"keep must hold shares above 0 and up to 1, not {self.keep}.")
        if self.device not in get_args(DeviceChoice):
            raise SettingsError(f"device must be one of {', '.join(get_args(DeviceChoice))}, not {self.device!r}.")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**asdict(self), "keep": list(self.keep)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> LearnSettings:
        """The inverse of ``to_json``. Raises ``SettingsError`` or ``TypeError`` where it does not fit."""
        return cls(**{**data, "keep": tuple(data["keep"])})
