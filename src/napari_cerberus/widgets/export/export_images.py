"""Which images are exported: the open ones, and saved annotations that are added from a folder."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from ...viewer.export.exporter import Exporter
from ..base.style import SPACING_PX, small_label
from .export_rows import ExportRows


class ExportImages(QWidget):
    """The rows, and what adds to them or fills them.

    Attributes
    ----------
    looked : Signal()
        A folder was searched; there may be more images.

    Parameters
    ----------
    exporter : Exporter
    """

    looked = Signal()

    def __init__(self, exporter: Exporter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._exporter, self._folder = exporter, ""
        self.rows = ExportRows()
        self.all, self.add = QPushButton("Tick all"), QPushButton("Add saved annotations …")
        self.like_first = QPushButton("Like the first")
        self.note = small_label()
        self._explain()
        self._lay_out()
        self.all.clicked.connect(self.rows.tick_all)
        self.add.clicked.connect(self._add)
        self.like_first.clicked.connect(self.rows.fill_like_first)
        self.rows.changed.connect(self._show_buttons)
        exporter.looked.connect(self._on_looked)
        self._show_buttons()

    def refresh(self, image_id: str) -> None:
        """Follow the viewer's layers; ``image_id`` is the chosen image."""
        self.rows.show_candidates(self._exporter.candidates(), image_id)
        self._show_buttons()

    def _explain(self) -> None:
        self.all.setToolTip("Export every image whose pixels are at hand.")
        self.add.setToolTip(
            "Every annotation in a folder and below it: folders *.cerberus, and results of napari-cerberus annotate. "
            "An index.csv there with the columns image, patient, category and block fills the fields."
        )
        self.like_first.setToolTip("Give all ticked images patient, category and block of the first one.")

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        for button in (self.all, self.add, self.like_first):
            buttons.addWidget(button)
        buttons.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING_PX)
        layout.addWidget(self.rows)
        layout.addLayout(buttons)
        layout.addWidget(self.note)
        self.note.hide()

    def _show_buttons(self) -> None:
        rows = self.rows.rows
        self.all.setVisible(len(rows) > 1)
        self.like_first.setVisible(sum(row.chosen.isChecked() for row in rows) > 1)

    def _add(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder of saved annotations", self._folder)
        if chosen:
            self._folder = chosen
            self._say("Looking for annotations …")
            self._exporter.add_saved(chosen)

    def _on_looked(self, sentence: str) -> None:
        self._say(sentence)
        self.looked.emit()

    def _say(self, sentence: str) -> None:
        self.note.setText(sentence)
        self.note.setVisible(bool(sentence))
