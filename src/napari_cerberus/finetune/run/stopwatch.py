"""Times the phases of a training run from within."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...progress import Job
from ...training.engine.callbacks import Callback, ValidationResult
from .validation_pictures import draw_overlays


class Stopwatch(Callback):
    """Notes when things happen, and draws pictures as a real run does.

    Parameters
    ----------
    folder : Path
        For the pictures.
    save_at : int
        Batches after which a checkpoint is asked for.
    """

    def __init__(self, folder: Path, *, save_at: int) -> None:
        self._folder = folder
        self._save_at = save_at
        self._stages: dict[str, float] = {}
        self._steps: list[float] = []
        self._judging_s = self._drawing_s = self._saving_s = 0.0
        self._resumed = self._told_at = 0.0

    def trained(self, step: int, losses: Mapping[str, float]) -> None:
        """Note a batch."""
        self._told_at = time.monotonic()
        self._steps.append(self._told_at - self._resumed)

    def validated(self, view: ValidationResult) -> None:
        """Note a validation and its pictures."""
        judged_at = time.monotonic()
        self._judging_s = judged_at - self._resumed
        draw_overlays(self._folder, view)
        self._told_at = time.monotonic()
        self._drawing_s = self._told_at - judged_at

    def wants_checkpoint(self) -> bool:
        """Once, to time it."""
        return len(self._steps) == self._save_at

    def drive(self, job: Job[Path]) -> None:
        """Drive a training run to its end."""
        stage, since = "Gathering data", time.monotonic()
        for progress in job:
            now = time.monotonic()
            self._stages[stage] = self._stages.get(stage, 0.0) + now - since
            stage, since = progress.stage, now
            if stage == "Training":  # after a batch or a validation nothing is done but saving
                self._saving_s = max(self._saving_s, now - self._told_at)
            self._resumed = now
        self._stages["End"] = time.monotonic() - since

    def told(self) -> dict[str, Any]:
        """Seconds of each phase and of each batch."""
        return {
            "stages": self._stages,
            "steps": self._steps,
            "judging_s": self._judging_s,
            "writing_s": self._drawing_s + self._saving_s,
        }
