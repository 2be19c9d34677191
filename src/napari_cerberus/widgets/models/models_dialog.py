"""The model library: what each model came from, which one is used, and what can be done with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.QtWidgets import (
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QInputDialog,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from ...viewer.runs.model_facts import ModelFacts
from ...viewer.runs.model_library import Library
from ..base.forms import add_row, new_form
from ..base.job_bar import JobBar
from ..base.style import PRIMARY_BUTTON, SPACING_PX, small_label
from ..finetune.comparison_words import question_before_verdict
from .models_compare import ModelsCompare
from .models_list import ModelsList

_SIZE_PX = 980, 640
_FILE_KIND = "Model in one file (*.zip)"


class ModelsDialog(QDialog):
    """Does not block napari.

    Parameters
    ----------
    library : Library
    """

    def __init__(self, library: Library, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Models on this computer")
        self.resize(*_SIZE_PX)
        self._library = library
        self.list, self.facts = ModelsList(), ModelsCompare()
        self.hint = small_label()
        self.notes = QLineEdit()
        self.notes.setPlaceholderText("your own words about this model")
        self.promote, self.roll_back = QPushButton("Promote"), QPushButton("Roll back")
        self.promote.setStyleSheet(PRIMARY_BUTTON)
        self.rename, self.delete = QPushButton("Rename …"), QPushButton("Delete")
        self.export, self.take_in = QPushButton("Export …"), QPushButton("Import …")
        self.close_button = QPushButton("Close")
        self.status = JobBar(library.status, library.status_changed, library.cancel)
        self._explain()
        self._lay_out()
        self._connect()
        library.say_nothing()
        library.look()

    # -- building --------------------------------------------------------------------------------

    def _explain(self) -> None:
        self.promote.setToolTip("Annotate uses this model from now on.")
        self.roll_back.setToolTip("Use the model that was used before.")
        self.export.setToolTip("Write the model into one file, with its SHA-256, to take it to another computer.")
        self.take_in.setToolTip("Read a model from such a file; it is checked before it is added.")
        self.delete.setToolTip("Delete the model for good; never the one in use.")

    def _lay_out(self) -> None:
        below = QWidget()
        inner = QVBoxLayout(below)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addWidget(self.hint)
        inner.addWidget(self.facts, 1)
        parts = QSplitter()
        parts.setOrientation(parts.orientation().Vertical)
        parts.addWidget(self.list)
        parts.addWidget(below)
        parts.setSizes([200, 320])
        notes, grid = new_form()
        add_row(grid, 0, "Notes", self.notes)
        buttons = QHBoxLayout()
        buttons.setSpacing(SPACING_PX)
        for button in (self.roll_back, self.rename, self.export, self.take_in, self.delete):
            buttons.addWidget(button)
        buttons.addStretch(1)
        buttons.addWidget(self.close_button)
        buttons.addWidget(self.promote)
        layout = QVBoxLayout(self)
        layout.addWidget(parts, 1)
        for widget in (notes, self.status):
            layout.addWidget(widget)
        layout.addLayout(buttons)

    def _connect(self) -> None:
        self._library.changed.connect(self.show_models)
        self.list.itemSelectionChanged.connect(self._show_chosen)
        self.notes.editingFinished.connect(self._keep_notes)
        self.promote.clicked.connect(self._promote)
        self.roll_back.clicked.connect(self._library.roll_back)
        self.rename.clicked.connect(self._rename)
        self.delete.clicked.connect(self._delete)
        self.export.clicked.connect(self._export)
        self.take_in.clicked.connect(self._take_in)
        self.close_button.clicked.connect(self.close)

    # -- reacting --------------------------------------------------------------------------------

    def show_models(self) -> None:
        """Follow the library."""
        self.list.show_models(self._library.models)
        self.roll_back.setEnabled(self._library.can_roll_back)

    def _one(self) -> ModelFacts | None:
        """The chosen model; None where none or several are."""
        chosen = self.list.chosen()
        return self._library.find(chosen[0]) if len(chosen) == 1 else None

    def _show_chosen(self) -> None:
        chosen, one = self.list.chosen(), self._one()
        both = len(chosen) == 2
        rows = self._library.compare(chosen[0], chosen[-1]) if len(chosen) in (1, 2) else ()
        self.facts.show_rows(rows, both=both)
        hints = {1: "Hold Ctrl and click another line to compare two.", 2: "What differs is bold."}
        self.hint.setText(hints.get(len(chosen), "Choose one model, or two to compare."))
        own = one is not None and not one.shipped
        self.notes.setText(one.record.notes if one is not None else "")
        self.notes.setEnabled(own)
        self.promote.setEnabled(one is not None and not one.promoted)
        self.rename.setEnabled(own)
        self.export.setEnabled(one is not None)
        self.delete.setEnabled(one is not None and own and not one.promoted)

    def _with_one(self, action: Callable[[ModelFacts], None]) -> None:
        if (one := self._one()) is not None:
            action(one)

    def _promote(self) -> None:
        def promote(one: ModelFacts) -> None:
            question = question_before_verdict(one.record.verdict) if one.record.verdict else ""
            if not question or self._sure("Promote", question):
                self._library.promote(one.name, one.record.verdict)

        self._with_one(promote)

    def _keep_notes(self) -> None:
        one = self._one()
        if one is not None and not one.shipped and self.notes.text().strip() != one.record.notes:
            self._library.set_notes(one.name, self.notes.text())

    def _rename(self) -> None:
        def rename(one: ModelFacts) -> None:
            new, given = QInputDialog.getText(self, "Rename", f"New name of “{one.name}”:", text=one.name)
            if given and self._library.rename(one.name, new):
                self.list.clearSelection()
                self.list.choose(new.strip())

        self._with_one(rename)

    def _delete(self) -> None:
        def delete(one: ModelFacts) -> None:
            if self._sure("Delete", f"Delete “{one.name}” for good? This cannot be taken back."):
                self._library.delete(one.name)

        self._with_one(delete)

    def _export(self) -> None:
        def export(one: ModelFacts) -> None:
            chosen, _ = QFileDialog.getSaveFileName(self, "Export the model", f"{one.name}.zip", _FILE_KIND)
            if chosen:
                self._library.export(one.name, Path(chosen))

        self._with_one(export)

    def _take_in(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Import a model", "", _FILE_KIND)
        if chosen:
            self._library.take_in(Path(chosen))

    def _sure(self, title: str, question: str) -> bool:
        buttons = QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.No
        answer = QMessageBox.question(self, title, question, buttons, QMessageBox.StandardButton.No)
        return bool(answer == QMessageBox.StandardButton.Yes)
