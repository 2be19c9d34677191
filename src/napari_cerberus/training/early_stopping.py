"""When a run ends before its last step: nothing better any more, or the user has said so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ..errors import SettingsError

Keep = Literal["best", "last"]


@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """End of a run.

    Attributes
    ----------
    patience : int
        End after this many validations in a row that brought nothing better; 0: never.
    at_step : int
        End after this batch, though the learning rate goes as for all of them: what repeats a run that somebody
        stopped. 0: at the end.
    keep : {"best", "last"}
        Weights to keep: the best by validation, or the last.
    """

    patience: int = 0
    at_step: int = 0
    keep: Keep = "best"

    def __post_init__(self) -> None:
        if self.patience < 0 or self.at_step < 0:
            raise SettingsError("early_stopping.patience and ending.at_step must not be negative.")
        if self.keep not in get_args(Keep):
            raise SettingsError(f"early_stopping.keep must be best or last, not {self.keep!r}.")

    def early_stop(self, step: int, best_step: int, validate_every: int) -> str:
        """Why to end now, in one sentence; "" to go on.

        Parameters
        ----------
        step, best_step : int
            Batches done, and those done at the best validation so far (0: there was none).
        validate_every : int
            Batches between validations.
        """
        without = step // validate_every - best_step // validate_every
        if not self.patience or not best_step or without < self.patience:
            return ""
        return (
            f"Ended early at step {step}: {without} validations in a row brought nothing better than step {best_step}."
        )
