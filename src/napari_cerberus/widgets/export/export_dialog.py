"""The export of training pairs: a form on the left, what it would write on the right, one button below."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QDialog,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from ...errors import SettingsError
from ...exporting.export_jobs import Preview
from ...exporting.review_counts import counted_together
from ...viewer.export.exporter import NOTHING, Exporter, ExportForm, categories_in
from ...viewer.session import JobState, JobStatus
from ..base.forms import add_row, new_form
from ..base.section import Section
from ..base.style import PRIMARY_BUTTON, SPACING_PX
from .export_choices import ExportChoices
from .export_images import ExportImages
from .export_preview import ExportPreview
from .export_status import ExportStatus

_TYPING_MS = 350
_FORM_WIDTH_PX = 484


class ExportDialog(QDialog):
    """Does not block napari; it is made once and keeps what was said.

    Parameters
    ----------
    exporter : Exporter
    """

    def __init__(self, exporter: Exporter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export training pairs")
        self.resize(1100, 740)
        self._exporter, self._session = exporter, exporter.session
        self._preview = Preview()
        self.images, self.choices, self.preview = ExportImages(exporter), ExportChoices(), ExportPreview()
        self.rows = self.images.rows
        self.status = ExportStatus(exporter)
        self.folder = QLineEdit()
        self.folder.setPlaceholderText("folder of the data set")
        self.browse = QPushButton("Browse …")
        self.close_button, self.export = QPushButton("Close"), QPushButton("Export")
        self.export.setStyleSheet(PRIMARY_BUTTON)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_TYPING_MS)
        self._lay_out()
        self._connect()

    def form(self) -> ExportForm:
        """What the fields say now. Raises ``SettingsError``."""
        when_changed = self.preview.when_changed.currentData()
        return ExportForm(
            folder=self.folder.text(), images=self.rows.answers(), choices=self.choices.settings(when_changed)
        )

    def refresh(self) -> None:
        """Follow the viewer's layers."""
        self.images.refresh(self._session.image_id)
        self.choices.show_tasks(dict.fromkeys(task for row in self.rows.rows for task in row.candidate.tasks))
        self._show_reviewed()
        self._offer_categories()
        self._ask()

    def showEvent(self, event: QShowEvent) -> None:
        """Images may have come or been corrected since."""
        super().showEvent(event)
        self.refresh()

    def changeEvent(self, event: Any) -> None:
        """The same where the user comes back from napari's window."""
        super().changeEvent(event)
        if self.isVisible() and event.type() == event.Type.ActivationChange and self.isActiveWindow():
            self.refresh()

    # -- building --------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        columns = QHBoxLayout()
        columns.setSpacing(3 * SPACING_PX)
        columns.addWidget(self._form_column())
        columns.addWidget(self.preview, 1)
        buttons = QHBoxLayout()
        buttons.addWidget(self.status, 1)
        buttons.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignBottom)
        buttons.addWidget(self.export, 0, Qt.AlignmentFlag.AlignBottom)
        layout = QVBoxLayout(self)
        layout.addLayout(columns, 1)
        layout.addLayout(buttons)

    def _form_column(self) -> QWidget:
        where, grid = new_form()
        add_row(grid, 0, "Folder", self.folder, self.browse)
        column = QWidget()
        stack = QVBoxLayout(column)
        stack.setContentsMargins(0, 0, SPACING_PX, 0)
        stack.setSpacing(SPACING_PX)
        for title, content in (("Images", self.images), ("Data set", where)):
            stack.addWidget(Section(title, content))
        stack.addWidget(self.choices)
        stack.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidget(column)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFixedWidth(_FORM_WIDTH_PX)
        return scroll

    def _connect(self) -> None:
        self.browse.clicked.connect(self._browse)
        self.close_button.clicked.connect(self.hide)
        self.export.clicked.connect(self._export)
        self.folder.textChanged.connect(self._offer_categories)
        self.images.looked.connect(self.refresh)
        self.rows.changed.connect(self._show_reviewed)
        for changed in (self.folder.textChanged, self.rows.changed, self.choices.changed, self.preview.changed):
            changed.connect(self._ask)
        self._timer.timeout.connect(self._look)
        self._exporter.preview_changed.connect(self._show_preview)
        self._exporter.preview_stage.connect(self._show_stage)
        self._session.events.export.connect(self._show_status)

    # -- reacting --------------------------------------------------------------------------------

    def _ask(self) -> None:
        """Look anew, once the user has stopped typing."""
        self._preview = Preview()
        self._show_readiness()
        self._timer.start()

    def _look(self) -> None:
        """Ask for a preview, or say what is missing for one."""
        if not self.isVisible():
            return
        try:
            form = self.form()
        except SettingsError as error:
            self.preview.wait_for(str(error))
            return
        missing = form.missing if self.rows.rows else NOTHING
        if missing:
            self.preview.wait_for(missing)
            return
        self.preview.headline.setText("Looking at the tiles …")
        self._exporter.preview(form)

    def _show_stage(self, stage: str) -> None:
        if not self._timer.isActive():
            self.preview.headline.setText(f"{stage} …")

    def _show_preview(self, preview: Preview) -> None:
        if self._timer.isActive():
            return  # the form has changed meanwhile
        self._preview = preview
        self.preview.show_preview(preview)
        self._show_readiness()

    def _show_status(self, status: JobStatus) -> None:
        self._show_readiness()
        if status.state in (JobState.RETURNED, JobState.CANCELLED, JobState.FAILED):
            self._ask()

    def _show_readiness(self) -> None:
        preview = self._preview
        answer = self.preview.when_changed.currentData()
        number = preview.count("new") + (preview.count("changed") if answer != "keep" else 0)
        undecided = preview.count("changed") > 0 and answer == "ask"
        self.export.setEnabled(bool(number) and not undecided and not self._session.export.state.busy)
        categories = {pair.category for pair in preview.pairs}
        into = f" into “{categories.pop()}”" if len(categories) == 1 else ""
        self.export.setText(f"Export {number} {'pair' if number == 1 else 'pairs'}{into}" if number else "Export")

    def _export(self) -> None:
        self.rows.keep_answers()
        self._exporter.export(self.form())

    def _browse(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder of the data set", self.folder.text())
        if chosen:
            self.folder.setText(chosen)

    def _show_reviewed(self) -> None:
        """Ask what is right in the ticked images."""
        ticked = [row.candidate for row in self.rows.rows if row.chosen.isChecked()]
        counts = counted_together(candidate.reviewed for candidate in ticked)
        self.choices.checked.show_reviewed(frozenset(candidate.key for candidate in ticked), counts)

    def _offer_categories(self) -> None:
        self.rows.offer(categories_in(self.folder.text()))
