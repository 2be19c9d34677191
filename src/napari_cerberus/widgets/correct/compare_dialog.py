"""What differs between two versions of an annotation: a table by task, and the objects one by one."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QFileDialog,
    QGridLayout,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from ...viewer.correct.version_comparison import Comparing
from ..base.style import SPACING_PX, Banner, small_label

OPEN_NOW = "what is open"
_TASKS = {
    "task": "",
    "before": "Earlier",
    "after": "Later",
    "added": "Gained",
    "removed": "Lost",
    "changed": "Changed",
    "reclassified": "Other class",
    "dice": "Dice",
}
_OBJECTS = {
    "task": "",
    "change": "What",
    "index_before": "Earlier",
    "index_after": "Later",
    "iou": "Overlap (IoU)",
    "class": "Class",
}
_WORDS = {"added": "gained", "removed": "lost", "same": "other class"}
_MOST_ROWS = 2000


class CompareDialog(QDialog):
    """Not modal: a click on an object shows it in the viewer behind.

    Parameters
    ----------
    comparing : Comparing
    """

    def __init__(self, comparing: Comparing, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Compare two versions")
        self._comparing = comparing
        self.folders: dict[str, Path | None] = {"earlier": None, "later": None}
        self.choices = {side: QPushButton("Choose …") for side in self.folders}
        self.names = {"earlier": QLabel("choose a saved annotation"), "later": QLabel(OPEN_NOW)}
        self.message = Banner()
        self.tasks, self.objects = _table(list(_TASKS.values())), _table(list(_OBJECTS.values()))
        self.note = small_label("Click a row to see the object.")
        self._rows = pd.DataFrame()
        self._lay_out()
        for side, button in self.choices.items():
            button.clicked.connect(partial(self._ask, side))
        self.objects.itemSelectionChanged.connect(self._show_object)
        comparing.changed.connect(self.show_result)
        self.show_result()

    def choose(self, side: str, folder: Path) -> None:
        """Take a folder as the ``earlier`` or the ``later`` version, and compare as soon as there is an earlier one."""
        self.folders[side] = folder
        self.names[side].setText(folder.name)
        if (earlier := self.folders["earlier"]) is not None:
            self._comparing.start(earlier, self.folders["later"])

    def show_result(self) -> None:
        """Show what was found."""
        result = self._comparing.result
        self.message.say(self._comparing.message)
        for widget in (self.tasks, self.objects, self.note):
            widget.setVisible(result is not None)
        if result is None:
            return
        _fill(self.tasks, [[_shown(row[name]) for name in _TASKS] for _, row in result.tasks.iterrows()])
        self._rows = self._comparing.differing()
        shown = self._rows.head(_MOST_ROWS)
        _fill(self.objects, [_object_row(row) for _, row in shown.iterrows()])
        more = f" The first {_MOST_ROWS:,} of {len(self._rows):,} are listed." if len(self._rows) > _MOST_ROWS else ""
        self.note.setText(f"Click a row to see the object.{more}" if len(self._rows) else "The versions are the same.")

    def _ask(self, side: str, _checked: bool = False) -> None:
        folder = QFileDialog.getExistingDirectory(self, f"The {side} version (a .cerberus folder)")
        if folder:
            self.choose(side, Path(folder))

    def _show_object(self) -> None:
        chosen = self.objects.selectionModel().selectedRows()
        if chosen:
            self._comparing.show(self._rows.iloc[chosen[0].row()])

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setHorizontalSpacing(2 * SPACING_PX)
        for row, side in enumerate(self.folders):
            grid.addWidget(QLabel(side.capitalize()), row, 0)
            grid.addWidget(self.names[side], row, 1)
            grid.addWidget(self.choices[side], row, 2)
        grid.setColumnStretch(1, 1)
        layout = QVBoxLayout(self)
        layout.addLayout(grid)
        for widget in (self.message, self.tasks, self.note):
            layout.addWidget(widget)
        layout.addWidget(self.objects, 1)
        self.tasks.setMaximumHeight(150)
        self.resize(620, 460)


def _table(headings: list[str]) -> QTableWidget:
    table = QTableWidget(0, len(headings))
    table.setHorizontalHeaderLabels(headings)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    table.verticalHeader().hide()
    table.horizontalHeader().setStretchLastSection(True)
    return table


def _fill(table: QTableWidget, rows: list[list[str]]) -> None:
    table.clearSelection()
    table.setRowCount(len(rows))
    for row, texts in enumerate(rows):
        for column, text in enumerate(texts):
            item = QTableWidgetItem(text)
            if column:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            table.setItem(row, column, item)
    table.resizeColumnsToContents()


def _object_row(row: Any) -> list[str]:
    before, after = row["class_before"], row["class_after"]
    kinds = f"{before} → {after}" if before and after and before != after else after or before
    ids = ["" if row[name] == 0 else str(row[name]) for name in ("index_before", "index_after")]
    return [str(row["task"]), _WORDS.get(row["change"], row["change"]), *ids, _shown(row["iou"]), kinds]


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return "–" if value != value else f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
