"""Somebody who looks on while a run trains, and may ask it to save or to end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...model.network import Cerberus
from ..config import TrainConfig
from ..data.tile_sources import LoadedTile, Tile
from ..early_stopping import Keep
from ..validation import Scores


@dataclass(frozen=True, kw_only=True)
class ValidationResult:
    """A validation that was just made.

    Attributes
    ----------
    step, best_step : int
    scores : Scores
    network : Cerberus
        The judged weights; to look at, not to change.
    validation : sequence of Tile
    loaded : mapping of tile id to LoadedTile
    config : TrainConfig
    """

    step: int
    best_step: int
    scores: Scores
    network: Cerberus
    validation: Sequence[Tile]
    loaded: Mapping[str, LoadedTile]
    config: TrainConfig


class Callback:
    """Looks on and asks for nothing; a child class does more."""

    def trained(self, step: int, losses: Mapping[str, float]) -> None:
        """Told after every batch."""

    def validated(self, view: ValidationResult) -> None:
        """Told after every validation."""

    def wants_checkpoint(self) -> bool:
        """Asked after every batch: save now?"""
        return False

    def wants_end(self, step: int) -> Keep | None:
        """Asked before every batch, after ``step`` of them: the weights to keep if training is to end now."""
        return None
