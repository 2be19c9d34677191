"""The latest validation figures: a column a task, a row a category; the column heads are the curves' legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from ..finetune.state import Point
from ..viewer.colours import task_colour
from .style import SMALL, SPACING_PX, clear


class FigureTable(QWidget):
    """Hidden until there are figures."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(2, 0, 0, 0)
        self._grid.setHorizontalSpacing(2 * SPACING_PX)
        self._grid.setVerticalSpacing(1)
        self._shown: Point | None = None
        self.hide()

    def show_points(self, history: Sequence[Point]) -> None:
        """Show the newest point that has figures."""
        point = next((point for point in reversed(history) if point.figures), None)
        if point == self._shown:
            return
        self._shown = point
        clear(self._grid)
        self.setVisible(point is not None)
        if point is None:
            return
        tasks = list(point.figures)
        self._add_row(0, "", {task: f"<span style='color:{task_colour(task)}'>●</span> {task}" for task in tasks})
        self._add_row(1, "all", {task: f"<b>{point.figures[task]:.2f}</b>" for task in tasks})
        for row, (category, figures) in enumerate(point.by_category.items(), start=2):
            texts = {task: f"{figures[task]:.2f}" if task in figures else "–" for task in tasks}
            self._add_row(row, category, texts)

    def texts(self) -> list[str]:
        """What the labels say, for a reader of the screen."""
        return [self._grid.itemAt(place).widget().text() for place in range(self._grid.count())]

    def _add_row(self, row: int, title: str, cells: Mapping[str, str]) -> None:
        head = QLabel(title)
        head.setStyleSheet(SMALL)
        head.setTextFormat(Qt.TextFormat.PlainText)
        self._grid.addWidget(head, row, 0)
        for column, text in enumerate(cells.values(), start=1):
            cell = QLabel(text)
            cell.setStyleSheet(SMALL)
            self._grid.addWidget(cell, row, column, Qt.AlignmentFlag.AlignRight)
