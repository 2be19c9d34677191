"""Fine-tuning as the dock sees it: check, start, follow, stop, judge. Holds no widgets and trains nothing itself.

A run lives in a process and a folder of its own. What is shown here is read from that folder, so closing napari loses
nothing, and a run is found again by looking at the folders.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from psygnal import Signal

from ...errors import CerberusError, DataError, OutputError
from ...finetune.comparison.comparison_record import ModelComparison, comparison_path, read_comparison
from ...finetune.finetune_settings import FinetuneSettings
from ...finetune.run import process
from ...finetune.run_state import RunState, find_runs, read_state
from ...progress import Job, Progress
from ..session import JobState, JobStatus
from ..worker import Cancelled, End, Failed, JobRunner
from .decisions import Decision, decide, decision_of
from .run_jobs import Checked, begin_job, check_job, resume_job

logger = logging.getLogger(__name__)
CAN_RESUME = ("interrupted", "failed")


class FineTuning:
    """One dock's view of all runs on this computer, and of one of them in particular.

    Attributes
    ----------
    status_changed : Signal(JobStatus)
        Of the check, or of starting a run.
    checked_changed : Signal()
        There is a plan now, or it holds no more.
    runs_changed : Signal()
        Another list of runs.
    shown_changed : Signal()
        Another run is shown, or the shown one has moved on.
    model_made : Signal(str)
        A run that was watched has put a model into the library.

    Parameters
    ----------
    check, begin, resume : callable
        Make the jobs; tests pass fake ones.
    """

    status_changed = Signal(object)
    checked_changed = Signal()
    runs_changed = Signal()
    shown_changed = Signal()
    model_made = Signal(str)

    def __init__(
        self,
        *,
        check: Callable[[FinetuneSettings], Job[Checked]] = check_job,
        begin: Callable[[Any], Job[Path]] = begin_job,
        resume: Callable[[Path], Job[Path]] = resume_job,
    ) -> None:
        self._check, self._begin, self._resume = check, begin, resume
        self._jobs = JobRunner("Fine-tuning")
        self.status = JobStatus()
        self.checked: Checked | None = None
        self.runs: tuple[RunState, ...] = ()
        self.state: RunState | None = None
        self.comparison: ModelComparison | None = None
        self.decision: Decision | None = None
        self._looked = False

    # -- before it starts ------------------------------------------------------------------------

    def check(self, settings: FinetuneSettings) -> None:
        """Find out what ``settings`` would do; the answer is ``checked``."""
        self.forget_plan()
        self._run(lambda: self._check(settings), self._on_checked, "Looking at the pairs")

    def forget_plan(self) -> None:
        """The form is another: what was checked holds no more."""
        if self.checked is not None:
            self.checked = None
            self.checked_changed.emit()
        if not self.status.state.busy and self.status.message:
            self._say(JobStatus())

    def start(self) -> None:
        """Start the run that was checked."""
        checked = self.checked
        if checked is not None and not checked.plan.stops:
            self._run(lambda: self._begin(checked.plan), self._on_begun, "Starting the run")

    def cancel(self) -> None:
        """Stop the check at its next step."""
        if self._jobs.busy:
            self._jobs.cancel()
            self._say(JobStatus(state=JobState.CANCELLING, stage="Cancelling"))

    # -- runs ------------------------------------------------------------------------------------

    def look(self) -> None:
        """List the runs anew."""
        self._looked = True
        runs = tuple(find_runs())
        if runs == self.runs:
            return
        known = {run.model_name for run in self.runs}
        first, self.runs = not self.runs, runs
        self.runs_changed.emit()
        made = [run.model_name for run in runs if run.model_name not in known]
        if made and not first:
            self.model_made.emit(made[0])

    def look_and_show(self) -> None:
        """List the runs, and show the one that most needs a look: it works, was interrupted, or waits for a word."""
        self.look()
        wanted = next((run for run in self.runs if run.live), None) or next(
            (run for run in self.runs if _waits_for_a_word(run)), None
        )
        if wanted is not None:
            self.show(wanted.folder)

    def live_runs(self) -> tuple[RunState, ...]:
        """Runs whose process works, waits or is paused, as they stand now; none where nobody has looked for runs."""
        if self._looked:
            self.look()
        return tuple(run for run in self.runs if run.live)

    def show(self, folder: Path | None) -> None:
        """Show a run, or with None the form for a new one."""
        self.state = self.comparison = self.decision = None
        if folder is not None:
            self._read(folder)
        self.shown_changed.emit()

    def poll(self) -> None:
        """Read again how things stand: the shown run, or, while another one works, all of them."""
        before = self.state
        if before is None or not before.live:
            if any(run.live for run in self.runs):
                self.look()
            return
        self._read(before.folder)
        if self.state != before:
            if self.state is None or self.state.status != before.status:
                self.look()
            self.shown_changed.emit()

    # -- the shown run ---------------------------------------------------------------------------

    def pause(self) -> None:
        """Pause at the next step."""
        self._order(process.pause)

    def go_on(self) -> None:
        """Go on after a pause."""
        self._order(process.go_on)

    def stop(self, keep: str) -> None:
        """Stop and keep the ``best`` or the ``last`` weights, or ``discard`` the run."""
        self._order(lambda folder: process.stop(folder, keep))  # type: ignore[arg-type]

    def stop_all(self) -> None:
        """Stop every run that works or waits, each with its best weights kept; a problem is logged."""
        for run in self.live_runs():
            try:
                process.stop(run.folder, "best")
            except CerberusError:
                logger.warning("%s could not be stopped.", run.folder, exc_info=True)

    def resume(self) -> None:
        """Go on with an interrupted run from its last checkpoint, or compare a model that was not compared."""
        if self.state is not None:
            folder = self.state.folder
            self._run(lambda: self._resume(folder), self._on_begun, "Going on")

    def command_line(self) -> str:
        """What makes the same model again without a screen; empty without a run."""
        return "" if self.state is None else process.command_line(self.state.folder)

    def decide(self, decision: Decision) -> None:
        """Remember what became of the shown run's model; a problem is shown, not raised."""
        if self.state is None:
            return
        try:
            decide(self.state.folder, decision)
        except OutputError as error:
            self._say(JobStatus.failed(error))
        self.decision = decision
        self.shown_changed.emit()

    def close(self) -> None:
        """Stop the check; runs go on. Safe to call twice."""
        self._jobs.close()
        self.state = None

    # -- inside ----------------------------------------------------------------------------------

    def _run(self, make_job: Callable[[], Job[Any]], on_result: Callable[[Any], None], stage: str) -> None:
        def on_end(end: End) -> None:
            if isinstance(end, Failed):
                self._say(JobStatus.failed(end.error))
            elif isinstance(end, Cancelled):
                self._say(JobStatus(state=JobState.CANCELLED, message="Cancelled; nothing was started."))
            else:
                self._say(JobStatus())
                on_result(end.result)

        try:
            self._jobs.start(make_job, on_progress=self._on_progress, on_end=on_end)
        except CerberusError as error:
            self._say(JobStatus.failed(error))
            return
        self._say(JobStatus(state=JobState.RUNNING, stage=stage))

    def _say(self, status: JobStatus) -> None:
        self.status = status
        self.status_changed.emit(status)

    def _on_progress(self, step: Progress) -> None:
        self._say(JobStatus.running(step))

    def _on_checked(self, checked: Checked) -> None:
        self.checked = checked
        self.checked_changed.emit()

    def _on_begun(self, folder: Path) -> None:
        self.forget_plan()
        self.look()
        self.show(folder)

    def _order(self, order: Callable[[Path], None]) -> None:
        """Give the shown run an order; a problem is shown, not raised."""
        if self.state is None:
            return
        folder = self.state.folder
        try:
            order(folder)
        except CerberusError as error:
            self._say(JobStatus.failed(error))
        self._read(folder)
        self.shown_changed.emit()
        self.look()

    def _read(self, folder: Path) -> None:
        """Read state and, where there is one, comparison; a run that cannot be read is said and no longer shown."""
        try:
            self.state = read_state(folder)
            if self.comparison is None and not self.state.live and comparison_path(folder).is_file():
                self.comparison = read_comparison(folder)
        except DataError as error:
            self._say(JobStatus.failed(error))
            self.state = None
        self.decision = decision_of(folder)


def _waits_for_a_word(run: RunState) -> bool:
    """Whether nobody has said yet what becomes of a run's model, or of a run that was cut off or failed."""
    return (bool(run.model_name) or run.status in CAN_RESUME) and decision_of(run.folder) is None
