"""Fine-tune: from a folder of pairs to a model of one's own, one step at a time."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from ...errors import SettingsError
from ...finetune.run_state import RunState
from ...viewer.controller import Controller
from ..base.forms import combo
from ..base.job_bar import JobBar
from ..base.section import Section
from ..base.style import PRIMARY_BUTTON, SPACING_PX, Banner, Tone
from .comparison_summary import ComparisonSummary
from .finetune_form import FinetuneForm
from .finetune_live import FinetuneLive
from .finetune_report import FinetuneReport
from .training_curves import load_library

_POLL_MS = 1000
_NEW = "New fine-tuning"


class FinetunePanel(QWidget):
    """Form and check, then the run, then the comparison: whichever the shown run is at.

    Parameters
    ----------
    controller : Controller
    """

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controller, self._session = controller, controller.session
        self.finetuning = controller.finetuning
        self.runs = combo()
        self.runs.setToolTip("Fine-tuning runs on this computer")
        self.form, self.report = FinetuneForm(), FinetuneReport()
        self.missing = Banner()
        self.check, self.start = QPushButton("Check the pairs"), QPushButton("Fine-tune")
        self.check.setToolTip("Look for errors in the pairs, and tell how long training will take.")
        self.start.setToolTip("Train in the background; napari can be used, or closed, meanwhile.")
        for button in (self.check, self.start):
            button.setStyleSheet(PRIMARY_BUTTON)
        self.job_bar = JobBar(self.finetuning.status, self.finetuning.status_changed, self.finetuning.cancel)
        self.live, self.comparison = FinetuneLive(self.finetuning), ComparisonSummary(controller)
        self.new = QPushButton("New fine-tuning")
        self.new.setToolTip("Leave this run as it is and set up another.")
        self._setup = self._column(self.form, self.missing, self.check, self.report, self.start)
        self.curves = Section("How it trained", self._column(self.live))
        content = self._column(self.runs, self._setup, self.job_bar, self.comparison, self.curves, self.new)
        self.section = Section("Fine-tune", content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.section)
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL_MS)
        self._connect()
        self._show_models()
        self._propose()
        self._show_runs()
        self._show_run()
        self._timer.start()

    # -- building --------------------------------------------------------------------------------

    @staticmethod
    def _column(*widgets: QWidget) -> QWidget:
        column = QWidget()
        layout = QVBoxLayout(column)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING_PX)
        for widget in widgets:
            layout.addWidget(widget)
        return column

    def _connect(self) -> None:
        finetuning, events = self.finetuning, self._session.events
        self.check.clicked.connect(self._check)
        self.start.clicked.connect(finetuning.start)
        self.new.clicked.connect(lambda: finetuning.show(None))
        self.runs.activated.connect(self._choose_run)
        self.form.changed.connect(self._on_form_changed)
        self._timer.timeout.connect(finetuning.poll)
        finetuning.status_changed.connect(self._show_setup)
        finetuning.checked_changed.connect(self._show_setup)
        finetuning.runs_changed.connect(self._show_runs)
        finetuning.shown_changed.connect(self._show_run)
        self._controller.library.changed.connect(self._show_run)
        events.models.connect(self._show_models)
        events.pairs_folder.connect(self._propose)

    # -- reacting --------------------------------------------------------------------------------

    def _check(self) -> None:
        try:
            settings = self.form.settings()
        except SettingsError as error:
            self.missing.say(str(error), Tone.CAUTION)
            return
        self.missing.say("")
        load_library()
        self.finetuning.check(settings)

    def _on_form_changed(self) -> None:
        self.missing.say("")
        self.finetuning.forget_plan()
        self._show_setup()

    def _choose_run(self, index: int) -> None:
        folder = self.runs.itemData(index)
        self.finetuning.show(Path(folder) if folder else None)

    def _propose(self) -> None:
        if not self.finetuning.status.state.busy:  # what is being checked stays what is shown
            self.form.propose(self._session.pairs_folder)

    def _show_models(self) -> None:
        self.form.advanced.show_models(model.name for model in self._session.models)

    def _show_setup(self) -> None:
        checked, busy = self.finetuning.checked, self.finetuning.status.state.busy
        ready = checked is not None and not checked.plan.stops
        self.report.show_checked(checked)
        self.form.setEnabled(not busy)
        self.check.setVisible(not ready)
        self.check.setEnabled(not busy and bool(self.form.folder.text().strip()))
        self.start.setVisible(ready)
        self.start.setEnabled(ready and not busy)

    def _show_runs(self) -> None:
        state = self.finetuning.state
        shown = [run for run in self.finetuning.runs if run.folder == (state and state.folder) or not _gone(run)]
        lines = [(_NEW, ""), *((_run_words(run), str(run.folder)) for run in shown)]
        if lines != [(self.runs.itemText(place), self.runs.itemData(place)) for place in range(self.runs.count())]:
            self.runs.clear()
            for words, folder in lines:
                self.runs.addItem(words, folder)
        self.runs.setCurrentIndex(max(self.runs.findData(str(state.folder)), 0) if state is not None else 0)
        self.runs.setVisible(len(lines) > 1)

    def _show_run(self) -> None:
        state = self.finetuning.state
        made = state is not None and not state.live and bool(state.model_name)
        self._setup.setVisible(state is None)
        self.comparison.setVisible(made)
        self.curves.setVisible(state is not None)
        self.curves.header.setVisible(made)
        if not made:
            self.curves.header.setChecked(True)
        self.new.setVisible(state is not None)
        if state is None:
            self._show_setup()
        else:
            self.live.show_state(state)
            if made:
                self.comparison.show_run(state, self.finetuning.comparison, self.finetuning.decision)
        self._show_runs()


def _gone(run: RunState) -> bool:
    """Whether nothing is left of a run but its record."""
    return run.status == "stopped" and not run.model_name


def _run_words(run: RunState) -> str:
    return f"{run.name} ({run.status})"
