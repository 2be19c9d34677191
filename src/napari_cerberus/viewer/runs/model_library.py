"""The models on this computer as the dock sees them: what each came from, which one is used, and what may be done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from psygnal import Signal

from ...errors import CerberusError
from ...finetune.run_state import RunState, refuse_in_use
from ...model.library import entries, exchange, manage, promotion
from ...model.library.lineage import CompareRow, side_by_side
from ...progress import Job, Progress
from ..session import JobState, JobStatus
from ..worker import Cancelled, End, Failed, JobRunner
from .model_facts import ModelFacts


class Library:
    """Lists models and changes the library.

    Attributes
    ----------
    changed : Signal()
        Another list, or another promoted model.
    promoted_changed : Signal(str)
        Another model is the promoted one; its name.
    renamed : Signal(str, str)
        Old and new name of a model.
    status_changed : Signal(JobStatus)
        How the last step went.
    """

    changed = Signal()
    promoted_changed = Signal(str)
    renamed = Signal(str, str)
    status_changed = Signal(object)

    def __init__(self) -> None:
        self._jobs = JobRunner("The model library")
        self.models: tuple[ModelFacts, ...] = ()
        self.status = JobStatus()

    @property
    def promoted(self) -> ModelFacts | None:
        """The model that is used unless another is chosen."""
        return next((model for model in self.models if model.promoted), None)

    @property
    def can_roll_back(self) -> bool:
        """Whether a model was promoted that can be gone back from."""
        used = self.promoted
        return bool(promotion.promotion_history()) and used is not None and not used.shipped

    def find(self, name: str) -> ModelFacts | None:
        """A model by name."""
        return next((model for model in self.models if model.name == name), None)

    @staticmethod
    def made_by(run: RunState) -> entries.ModelEntry | None:
        """The model that a run has made, whatever it is called by now; None once it is gone."""
        known = entries.list_models()
        named = next((entry for entry in known if entry.name == run.model_name), None)
        if not run.model_sha256 or (named is not None and named.sha256 == run.model_sha256):
            return named  # without a hash: a run of an older version
        return next((entry for entry in known if entry.sha256 == run.model_sha256), None)

    def look(self) -> None:
        """List the models anew."""
        used = promotion.promoted().name
        self.models = tuple(
            ModelFacts(entry=entry, record=manage.read_record(entry), promoted=entry.name == used)
            for entry in entries.list_models()
        )
        self.changed.emit()

    def compare(self, one: str, other: str) -> tuple[CompareRow, ...]:
        """Two models beside one another; nothing where one of them is gone."""
        first, second = self.find(one), self.find(other)
        return () if first is None or second is None else side_by_side(first.entry, second.entry)

    def promote(self, name: str, reason: str = "") -> bool:
        """Use this model from now on; False, and the problem is said, where it cannot be."""

        def step() -> str:
            promotion.promote(name, reason=reason)
            return f"“{name}” is used from now on; roll back takes it back."

        return self._do(step)

    def roll_back(self) -> bool:
        """Use the model that was promoted before."""
        return self._do(lambda: f"“{promotion.roll_back().name}” is used again.")

    def rename(self, old: str, new: str) -> bool:
        """Give a model another name."""

        def step() -> str:
            manage.rename(old, new)
            self.renamed.emit(old, new)
            return f"“{old}” is now called “{new}”."

        return self._do(step)

    def set_notes(self, name: str, text: str) -> bool:
        """Keep what the user says about a model."""

        def step() -> str:
            manage.set_notes(name, text)
            return f"Notes on “{name}” are kept."

        return self._do(step)

    def delete(self, name: str) -> bool:
        """Delete a model for good."""

        def step() -> str:
            refuse_in_use(name)
            manage.delete(name)
            return f"“{name}” was deleted."

        return self._do(step)

    def export(self, name: str, file: Path) -> None:
        """Write a model into one file, beside the window."""

        def job() -> Job[str]:
            yield Progress(f"Writing {file.name}")
            exchange.export_model(name, file)
            return f"“{name}” was written to {file}."

        self._run(job, f"Writing {file.name}")

    def take_in(self, file: Path) -> None:
        """Read a model from one file into the library, beside the window."""

        def job() -> Job[str]:
            yield Progress(f"Reading {file.name}")
            return f"“{exchange.import_model(file).name}” was added."

        self._run(job, f"Reading {file.name}")

    def say_nothing(self) -> None:
        """Forget the last message."""
        if not self.status.state.busy:
            self._say(JobStatus())

    def cancel(self) -> None:
        """Stop reading or writing a file at its next step."""
        self._jobs.cancel()

    def close(self) -> None:
        """Wait for what runs. Safe to call twice."""
        self._jobs.close()

    def _do(self, step: Callable[[], str]) -> bool:
        used = promotion.promoted().name
        try:
            message = step()
        except CerberusError as error:
            self._say(JobStatus.failed(error))
            return False
        self._say(JobStatus(state=JobState.RETURNED, fraction=1.0, message=message))
        self.look()
        now = promotion.promoted().name
        if now != used:
            self.promoted_changed.emit(now)
        return True

    def _run(self, make_job: Callable[[], Job[str]], stage: str) -> None:
        try:
            self._jobs.start(make_job, on_progress=lambda step: None, on_end=self._on_end)
        except CerberusError as error:
            self._say(JobStatus.failed(error))
            return
        self._say(JobStatus(state=JobState.RUNNING, stage=stage))

    def _on_end(self, end: End) -> None:
        if isinstance(end, Failed):
            self._say(JobStatus.failed(end.error))
        elif isinstance(end, Cancelled):
            self._say(JobStatus(state=JobState.CANCELLED, message="Cancelled; nothing was changed."))
        else:
            self._say(JobStatus(state=JobState.RETURNED, fraction=1.0, message=str(end.result)))
            self.look()

    def _say(self, status: JobStatus) -> Any:
        self.status = status
        self.status_changed.emit(status)
