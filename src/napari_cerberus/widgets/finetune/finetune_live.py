"""A run while it works, waits, or has stopped short: progress, curves, pictures, and what can be done."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QApplication, QLabel, QMenu, QProgressBar, QPushButton, QVBoxLayout, QWidget

from ...finetune.run_state import RunState
from ...viewer.runs.fine_tuning import CAN_RESUME, FineTuning
from ..base.forms import button_row
from ..base.style import PRIMARY_BUTTON, PROGRESS_BAR, SPACING_PX, Banner, Tone, small_label
from .metric_table import MetricTable
from .pictures import Pictures
from .training_curves import Curves

_TONES = {"failed": Tone.BAD, "interrupted": Tone.CAUTION, "stopped": Tone.CAUTION, "finished": Tone.GOOD}
_KEEP = (
    ("Stop, keep the best so far", "best"),
    ("Stop, keep the last step", "last"),
    ("Stop and discard the run", "discard"),
)
_TIPS = (
    "Pause after the current step; the processor is free meanwhile.",
    "Go on where the training was paused.",
    "End the training early; you are asked what is kept.",
    "Delete everything of this run; pairs and models stay.",
    "Go on from the last checkpoint.",
    "Copy a command that runs the same training without napari.",
)
_COPY = "Copy as command line"
_LEGEND = "Black: outlines in the pairs. Colour: what the model finds now."
_WORDS = {
    "queued": "Waits for another run",
    "running": "Training",
    "pausing": "Pausing after this step",
    "paused": "Paused",
    "stopping": "Stopping",
    "proving": "Comparing old and new model on held-out patients",
    "finished": "Finished",
    "stopped": "Stopped",
    "failed": "Failed",
    "interrupted": "Interrupted",
}


class FinetuneLive(QWidget):
    """Shows ``finetuning.state``.

    Parameters
    ----------
    finetuning : FineTuning
    """

    def __init__(self, finetuning: FineTuning, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._finetuning = finetuning
        self.title = QLabel()
        self.title.setWordWrap(True)
        self.title.setStyleSheet("font-weight: 600;")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setStyleSheet(PROGRESS_BAR)
        self.stage, self.message, self.early = small_label(), Banner(), Banner()
        self.pause, self.go_on = QPushButton("Pause"), QPushButton("Go on")
        self.stop, self.discard = QPushButton("Stop"), QPushButton("Discard the run")
        self.resume, self.copy = QPushButton("Resume"), QPushButton(_COPY)
        for button, tip in zip(
            (self.pause, self.go_on, self.stop, self.discard, self.resume, self.copy), _TIPS, strict=True
        ):
            button.setToolTip(tip)
        self._folder: Path | None = None
        for button in (self.go_on, self.resume):
            button.setStyleSheet(PRIMARY_BUTTON)
        self.skip = QPushButton("Stop the comparison")
        self.skip.setToolTip("The new model is in the library already; it stays there, not compared.")
        self.stop.setMenu(self._stop_menu())
        self.curves, self.metrics, self.tiles = Curves(), MetricTable(), Pictures("Tiles that judge it", _LEGEND)
        self._lay_out()
        self._connect()

    def show_state(self, state: RunState) -> None:
        """Show where a run stands, drawn once: every drawing goes through napari's whole window."""
        self.setUpdatesEnabled(False)
        try:
            self._show(state)
        finally:
            self.setUpdatesEnabled(True)

    def _show(self, state: RunState) -> None:
        live = state.live
        if self._folder != state.folder:
            self._folder = state.folder
            self.copy.setText(_COPY)
        self.title.setText(f"“{state.name}” from “{state.base_name}”")
        self.stage.setText(stage_sentence(state))
        self._show_bar(state)
        self.message.say(state.message, _TONES.get(state.status, Tone.INFO))
        self.early.say(state.early_stop, Tone.INFO)
        self.pause.setVisible(live and state.status != "paused" and state.status != "proving")
        self.pause.setEnabled(state.status == "running")
        self.go_on.setVisible(state.status == "paused")
        self.stop.setVisible(live and state.status != "proving")
        self.stop.setEnabled(state.status != "stopping")
        self.skip.setVisible(state.status == "proving")
        self.resume.setVisible(state.status in CAN_RESUME and not state.model_name)
        self.discard.setVisible(state.status in CAN_RESUME and not state.model_name)
        self.curves.show_points(state.history, state.steps, state.best_step, awaited=live and state.status != "queued")
        self.metrics.show_points(state.history)
        self.tiles.show_paths(state.overlays)

    def _show_bar(self, state: RunState) -> None:
        self.bar.setVisible(state.live)
        if state.status in ("queued", "proving") or not state.steps:
            self.bar.setRange(0, 0)
        else:
            self.bar.setRange(0, state.steps)
            self.bar.setValue(state.step)

    def _stop_menu(self) -> QMenu:
        menu = QMenu(self)
        for words, keep in _KEEP:
            menu.addAction(words).triggered.connect(lambda _checked=False, keep=keep: self._finetuning.stop(keep))
        return menu

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(2, 0, 0, 0)
        layout.setSpacing(SPACING_PX)
        for widget in (self.title, self.bar, self.stage, self.message, self.early, self.go_on, self.resume):
            layout.addWidget(widget)
        layout.addWidget(button_row(self.pause, self.stop, self.skip, self.discard))
        for widget in (self.metrics, self.curves, self.tiles, self.copy):
            layout.addWidget(widget)

    def _connect(self) -> None:
        self.pause.clicked.connect(self._finetuning.pause)
        self.go_on.clicked.connect(self._finetuning.go_on)
        self.resume.clicked.connect(self._finetuning.resume)
        self.skip.clicked.connect(lambda: self._finetuning.stop("discard"))
        self.discard.clicked.connect(lambda: self._finetuning.stop("discard"))
        self.copy.clicked.connect(self._copy)

    def _copy(self) -> None:
        line = self._finetuning.command_line()
        QApplication.clipboard().setText(line)
        self.copy.setToolTip(line)
        self.copy.setText("Copied")


def stage_sentence(state: RunState) -> str:
    """ "Training: step 120 of 400, about 6 min left"."""
    if state.status == "stopped" and state.step >= state.steps > 0:
        return "Ended without a new model"
    parts = [_WORDS[state.status]]
    if state.status not in ("queued", "proving", "finished") and state.steps:
        parts[0] += f": step {state.step:,} of {state.steps:,}"
    if state.live and state.seconds_left is not None:
        parts.append(f"about {duration(state.seconds_left)} left")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """ "40 s", "6 min", "2 h 10 min"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
