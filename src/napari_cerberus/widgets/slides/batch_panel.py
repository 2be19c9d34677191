"""Many slides at once: choose files and a folder, annotate, stop, go on."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton, QSpinBox, QVBoxLayout, QWidget

from ...time_left import TimeLeft
from ...viewer.controller import Controller
from ...viewer.session import JobState
from ..base.section import Section
from ..base.style import SPACING_PX, Banner, Tone, small_label

_TONES = {JobState.RETURNED: Tone.GOOD, JobState.FAILED: Tone.BAD, JobState.CANCELLED: Tone.CAUTION}
_FILTER = "Slides (*.svs *.ndpi *.scn *.bif *.mrxs *.tif *.tiff *.dcm);;All files (*)"


class BatchPanel(QWidget):
    """Folded at first: most work is on one image.

    Parameters
    ----------
    controller : Controller
    """

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._run = controller.batch_run
        self._slides: list[Path] = []
        self.choose = QPushButton("Choose slides …")
        self.choose.setToolTip("Several slide files, which are annotated one after the other with the model above")
        self.workers = QSpinBox()
        self.workers.setRange(1, 64)
        self.workers.setToolTip("Processes on this computer; each needs about 2 GB of memory")
        self.start = QPushButton("Annotate them …")
        self.start.setToolTip("Each into a folder of its own, with one table of all; choose the same folder to go on")
        self.stop = QPushButton("Stop")
        self.stop.setToolTip("What was done is kept")
        self.chosen, self.stage, self.message, self._left = small_label(), small_label(), Banner(), TimeLeft()
        self._lay_out()
        self.choose.clicked.connect(self._choose)
        self.start.clicked.connect(self._start)
        self.stop.clicked.connect(self._run.stop)
        self._run.changed.connect(self.show_run)
        self.show_run()

    def set_slides(self, slides: list[Path]) -> None:
        """The slides to annotate."""
        self._slides = slides
        self.show_run()

    def show_run(self) -> None:
        """Show what is chosen and where the run stands."""
        status, count = self._run.status, len(self._slides)
        self.chosen.setText(f"{count} slide{'s' if count > 1 else ''} chosen" if count else "")
        self.start.setEnabled(bool(count) and not status.state.busy)
        self.stop.setVisible(status.state.busy)
        self.stop.setEnabled(status.state is JobState.RUNNING)
        share = "" if status.fraction is None else f" {status.fraction:.0%}"
        step = self._left.beside(f"{status.stage}{share}", status.stage, status.fraction)
        self.stage.setText(step if status.state.busy else "")
        self.message.say(status.message, _TONES.get(status.state, Tone.INFO))

    def _choose(self) -> None:
        given, _kind = QFileDialog.getOpenFileNames(self, "Slides to annotate", "", _FILTER)
        if given:
            self.set_slides([Path(one) for one in given])

    def _start(self) -> None:
        if folder := QFileDialog.getExistingDirectory(self, "Folder for the results", str(self._slides[0].parent)):
            self._run.start(self._slides, Path(folder), self.workers.value())

    def _lay_out(self) -> None:
        first, second = QHBoxLayout(), QHBoxLayout()
        first.addWidget(self.choose)
        first.addWidget(self.chosen, 1)
        second.addWidget(QLabel("Processes"))
        second.addWidget(self.workers)
        second.addWidget(self.start, 1)
        second.addWidget(self.stop)
        content = QWidget()
        inner = QVBoxLayout(content)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(SPACING_PX)
        inner.addLayout(first)
        inner.addLayout(second)
        inner.addWidget(self.stage)
        inner.addWidget(self.message)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(Section("Many slides", content, opened=False))
