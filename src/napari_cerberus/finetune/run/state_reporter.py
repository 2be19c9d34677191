"""The child's side of ``state.json``: collects what happens and writes it, not more often than anybody looks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...errors import OutputError
from ..run_state import Point, RunState, write_state

if TYPE_CHECKING:
    from ...training.validation import Scores

_WRITE_EVERY_S = 1.0
_POINTS = 200
"""Points of the loss curves that a whole run gives."""


class Reporter:
    """Owns the state of a run.

    Parameters
    ----------
    state : RunState
        As found on disk.
    """

    def __init__(self, state: RunState) -> None:
        self.state = state
        self._written = 0.0
        self._sums: dict[str, list[float]] = {}
        self._clock = _Clock()

    def say(self, **changes: Any) -> None:
        """Change fields and write at once. Raises ``OutputError``."""
        self.state = replace(self.state, **changes)
        write_state(self.state)
        self._written = time.monotonic()

    def mention(self, **changes: Any) -> None:
        """As ``say``, but a full disk is no error: a run ends when it cannot save, not when it cannot tell."""
        with suppress(OutputError):
            self.say(**changes)

    def beat(self, **changes: Any) -> None:
        """Change fields; written when the last writing is a second old."""
        self.state = replace(self.state, **changes)
        if time.monotonic() - self._written >= _WRITE_EVERY_S:
            self.mention()

    def go_back_to(self, step: int) -> None:
        """Forget points after ``step``."""
        kept = tuple(point for point in self.state.history if point.step <= step)
        self.say(history=kept, step=step)
        self._clock = _Clock()

    def trained(self, step: int, losses: Mapping[str, float]) -> None:
        """Note a batch."""
        if self.state.history and self.state.history[-1].step >= step:  # a resumed run comes by these again
            kept = tuple(point for point in self.state.history if point.step < step)
            self.state = replace(self.state, history=kept)
        for key, loss in losses.items():
            self._sums.setdefault(key, []).append(loss)
        self._clock.tick()
        left = self._clock.seconds_for(self.state.steps - step)
        if step % max(1, self.state.steps // _POINTS) == 0:
            self._add(Point(step=step, losses=self._means()))
        self.beat(step=step, seconds_left=left)

    def validated(self, step: int, best_step: int, scores: Scores) -> None:
        """Note a validation."""
        metrics = dict(scores.dice)
        if scores.tissue_accuracy is not None and scores.tissue_balanced_accuracy is not None:
            metrics["tissue"] = (scores.tissue_accuracy + scores.tissue_balanced_accuracy) / 2
        self._add(Point(step=step, losses=self._means(), metrics=metrics, by_category=scores.by_category))
        self.mention(best_step=best_step)

    def rest(self) -> None:
        """Leave a pause out of the time that a batch takes."""
        self._clock.rest()

    def _means(self) -> dict[str, float]:
        means = {key: sum(values) / len(values) for key, values in self._sums.items()}
        self._sums = {}
        return means

    def _add(self, point: Point) -> None:
        history = self.state.history
        if history and history[-1].step == point.step:  # a validation at a step that has its point already
            last = history[-1]
            point, history = replace(point, losses={**last.losses, **point.losses}), history[:-1]
        self.state = replace(self.state, history=(*history, point))


class _Clock:
    """Time a batch takes, validations included."""

    def __init__(self) -> None:
        self._spent = 0.0
        self._ticks = 0
        self._last: float | None = None

    def tick(self) -> None:
        now = time.monotonic()
        if self._last is not None:
            self._spent += now - self._last
            self._ticks += 1
        self._last = now

    def rest(self) -> None:
        self._last = None

    def seconds_for(self, steps: int) -> float | None:
        return self._spent / self._ticks * max(0, steps) if self._ticks else None
