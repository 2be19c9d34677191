"""How a job stands: progress, cancel, and how it ended."""

from __future__ import annotations

from collections.abc import Callable

from psygnal import SignalInstance
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from ...time_left import TimeLeft
from ...viewer.session import JobState, JobStatus
from .style import PROGRESS_BAR, SPACING_PX, Banner, Tone, small_label

_TONES = {JobState.RETURNED: Tone.GOOD, JobState.FAILED: Tone.BAD, JobState.CANCELLED: Tone.CAUTION}
_BAR_STEPS = 1000


class JobBar(QWidget):
    """Progress of one job.

    Parameters
    ----------
    status : JobStatus
        Where it stands now.
    changes : psygnal.SignalInstance
        Sends every new ``JobStatus``.
    cancel : callable
        What the Cancel button does.
    """

    def __init__(
        self,
        status: JobStatus,
        changes: SignalInstance,
        cancel: Callable[[], None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.stage = small_label()
        self._left = TimeLeft()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setStyleSheet(PROGRESS_BAR)
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("Stop; nothing is changed.")
        self.cancel.clicked.connect(cancel)
        self.message = Banner()
        self._running = QWidget()
        self._lay_out()
        changes.connect(self.show_status)
        self.show_status(status)

    def show_status(self, status: JobStatus) -> None:
        """Show where the job stands."""
        self._running.setVisible(status.state.busy)
        self.cancel.setEnabled(status.state is JobState.RUNNING)
        if status.fraction is None:
            self.bar.setRange(0, 0)
        else:
            self.bar.setRange(0, _BAR_STEPS)
            self.bar.setValue(round(status.fraction * _BAR_STEPS))
        percent = f" · {status.fraction:.0%}" if status.fraction is not None else " …"
        step = f"{status.stage}{percent}"
        running = status.state is JobState.RUNNING
        self.stage.setText(self._left.beside(step, status.stage, status.fraction) if running else step)
        self.message.say(status.message, _TONES.get(status.state, Tone.INFO))

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.bar, 1)
        row.addWidget(self.cancel)
        running = QVBoxLayout(self._running)
        running.setContentsMargins(0, 0, 0, 0)
        running.setSpacing(2)
        running.addWidget(self.stage)
        running.addLayout(row)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING_PX)
        layout.addWidget(self._running)
        layout.addWidget(self.message)
