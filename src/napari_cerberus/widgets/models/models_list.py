"""The models of this computer, a line each."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QItemSelectionModel, Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from ...viewer.runs.model_facts import ModelFacts

_COLUMNS = ("", "Model", "From", "Made", "Learnt from", "Validation Dice", "Verdict", "Notes")
_NAME = 1
_IN_USE = "● in use"


class ModelsList(QTableWidget):
    """One or two lines can be chosen; two are compared."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(_COLUMNS), parent)
        self.setHorizontalHeaderLabels(_COLUMNS)
        self.verticalHeader().setVisible(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setWordWrap(False)
        self.setShowGrid(False)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)

    def show_models(self, models: Sequence[ModelFacts]) -> None:
        """List these; what was chosen stays chosen while it is there."""
        chosen = self.chosen() or [model.name for model in models if model.promoted]
        self.blockSignals(True)
        self.setRowCount(len(models))
        self.clearSelection()
        for row, model in enumerate(models):
            cells = (
                _IN_USE if model.promoted else "",
                model.name,
                model.parent,
                model.made,
                model.learnt_from,
                model.metrics,
                model.record.verdict or "–",
                model.record.notes.partition("\n")[0],
            )
            for column, text in enumerate(cells):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                self.setItem(row, column, item)
        self.choose(*chosen)
        self.blockSignals(False)
        self.itemSelectionChanged.emit()

    def choose(self, *names: str) -> None:
        """Choose lines by name, beside those that are chosen."""
        how = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
        for row in range(self.rowCount()):
            if self.item(row, _NAME).text() in names:
                self.selectionModel().select(self.model().index(row, 0), how)

    def chosen(self) -> list[str]:
        """Names of the chosen lines, from top to bottom."""
        rows = sorted({index.row() for index in self.selectedIndexes()})
        return [item.text() for row in rows if (item := self.item(row, _NAME)) is not None]
