"""A whole slide: annotate it in the background, pause, go on, and open the fields that are least certain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QListWidget, QPushButton, QVBoxLayout, QWidget

from ...time_left import TimeLeft
from ...viewer.controller import Controller
from ...viewer.session import JobState
from ..base.section import Section
from ..base.style import SPACING_PX, Banner, Tone, small_label

if TYPE_CHECKING:
    from ...slides.fields import Field

_TONES = {JobState.RETURNED: Tone.GOOD, JobState.FAILED: Tone.BAD, JobState.CANCELLED: Tone.CAUTION}
_LIST_PX = 110
_PAUSE_TIP = "Stop at the next field; Annotate the slide with the same folder goes on from there."
_STOP_TIP = "No file is written; one that stands there already stays as it was."


class SlidePanel(QWidget):
    """Hidden until the chosen image is a whole slide.

    Parameters
    ----------
    controller : Controller
    """

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controller, self._run = controller, controller.slide_run
        self.start = QPushButton("Annotate the slide …")
        self.start.setToolTip("All tissue, in the background, into a folder; choose the same folder to go on")
        self.pause = QPushButton("Pause")
        self.look = QPushButton("Open result …")
        self.look.setToolTip("Show an earlier annotation of this slide")
        self.stage, self.message, self._left = small_label(), Banner(), TimeLeft()
        self.fields = QListWidget()
        self.fields.setMaximumHeight(_LIST_PX)
        self.fields.setToolTip("The fields that are least certain, the most doubtful first; click one to look at it")
        self.correct = QPushButton("Open this field for correction")
        self.correct.setToolTip("Open the chosen field at full resolution, with its objects, beside the slide")
        self.outlines = QPushButton("Save for QuPath …")
        self.outlines.setToolTip("All objects of the slide as GeoJSON, in its pixels; drag the file into QuPath")
        self._lay_out()
        self.start.clicked.connect(self._choose_and_start)
        self.pause.clicked.connect(self._run.pause)
        self.look.clicked.connect(self._choose_and_look)
        self.correct.clicked.connect(self._open_field)
        self.outlines.clicked.connect(self._choose_and_save)
        self.fields.itemClicked.connect(lambda: self._run.show_field(self.fields.currentRow()))
        self.fields.itemDoubleClicked.connect(self._open_field)
        self._run.changed.connect(self.show_run)
        controller.session.events.image_id.connect(self.show_run)
        self.show_run()

    def show_run(self) -> None:
        """Show where the run stands, and the fields of the last one."""
        run, status = self._run, self._run.status
        self.setVisible(run.slide_path() is not None or status.state.busy)
        self.start.setEnabled(not status.state.busy)
        self.pause.setVisible(status.state.busy)
        self.pause.setEnabled(status.state is JobState.RUNNING)
        self.pause.setText("Stop" if run.writing else "Pause")
        self.pause.setToolTip(_STOP_TIP if run.writing else _PAUSE_TIP)
        step = self._left.beside(status.stage, status.stage.split(":")[0], status.fraction)
        self.stage.setText(step if status.state.busy else "")
        self.message.say(status.message, _TONES.get(status.state, Tone.INFO))
        fields = run.fields if run.is_of_chosen else ()
        wanted = [f"{place}. {_shown(field)}" for place, field in enumerate(fields, start=1)]
        if wanted != [self.fields.item(row).text() for row in range(self.fields.count())]:
            self.fields.clear()
            self.fields.addItems(wanted)
        self.fields.setVisible(bool(wanted))
        self.correct.setVisible(bool(wanted))
        for button in (self.look, self.outlines):
            button.setEnabled(not status.state.busy)
        self.outlines.setVisible(run.is_of_chosen)

    def _choose_and_start(self) -> None:
        if folder := self._chosen("Folder for the slide's annotation"):
            self._run.start(folder)

    def _choose_and_look(self) -> None:
        if folder := self._chosen("Folder of a slide's annotation"):
            self._run.look(folder)

    def _choose_and_save(self) -> None:
        folder = self._run.finished
        proposed = "" if folder is None else str(folder.with_suffix(".geojson"))
        path, _ = QFileDialog.getSaveFileName(self, "Save all objects for QuPath", proposed, "GeoJSON (*.geojson)")
        if path:
            self._run.save_outlines(Path(path))

    def _chosen(self, title: str) -> Path | None:
        path = self._run.slide_path()
        given = QFileDialog.getExistingDirectory(self, title, str(path.parent) if path is not None else "")
        return Path(given) if given else None

    def _open_field(self) -> None:
        self._run.open_field(max(self.fields.currentRow(), 0))

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        for button in (self.start, self.pause, self.look):
            buttons.addWidget(button)
        content = QWidget()
        inner = QVBoxLayout(content)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(SPACING_PX)
        inner.addLayout(buttons)
        for widget in (self.stage, self.message, self.fields, self.correct, self.outlines):
            inner.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(Section("Whole slide", content))


def _shown(field: Field) -> str:
    """How doubtful it is, and where on the slide."""
    return f"{field.doubt:.0%} doubt, at row {field.window.y0:,}, column {field.window.x0:,}"
