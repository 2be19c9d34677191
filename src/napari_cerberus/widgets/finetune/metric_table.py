"""The latest validation figures: a column a task, a row a category; the column heads are the curves' legend."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from ...finetune.run_state import Point
from ...viewer.colours import task_colour
from ..base.style import SMALL, SPACING_PX, clear


class MetricTable(QWidget):
    """Hidden until there are figures."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(2, 0, 0, 0)
        self._grid.setHorizontalSpacing(2 * SPACING_PX)
        self._grid.setVerticalSpacing(1)
        self._shape: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        self._cells: list[QLabel] = []
        self.hide()

    def show_points(self, history: Sequence[Point]) -> None:
        """Show the newest point that has figures."""
        point = next((point for point in reversed(history) if point.metrics), None)
        self.setVisible(point is not None)
        if point is None:
            return
        tasks, categories = tuple(point.metrics), tuple(point.by_category)
        if (tasks, categories) != self._shape:
            self._shape = tasks, categories
            self._build()
        rows = [point.metrics, *point.by_category.values()]
        texts = [f"{row[task]:.2f}" if task in row else "–" for row in rows for task in tasks]
        for cell, text in zip(self._cells, texts, strict=True):
            cell.setText(text)

    def texts(self) -> list[str]:
        """What the labels say, for a reader of the screen."""
        return [self._grid.itemAt(place).widget().text() for place in range(self._grid.count())]

    def _build(self) -> None:
        """New labels; making and styling them takes too long to do it for every point."""
        clear(self._grid)
        tasks, categories = self._shape
        for column, task in enumerate(tasks, start=1):
            self._add(f"<span style='color:{task_colour(task)}'>●</span> {task}", 0, column)
        self._cells = []
        for row, category in enumerate(("all", *categories), start=1):
            self._add(category, row, 0)
            bold = "font-weight: 600;" if row == 1 else ""
            self._cells += [self._add("", row, column, bold) for column in range(1, len(tasks) + 1)]

    def _add(self, text: str, row: int, column: int, style: str = "") -> QLabel:
        label = QLabel(text)
        label.setStyleSheet(f"{SMALL} {style}")
        label.setTextFormat(Qt.TextFormat.RichText if row == 0 else Qt.TextFormat.PlainText)
        self._grid.addWidget(label, row, column, Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft)
        return label
