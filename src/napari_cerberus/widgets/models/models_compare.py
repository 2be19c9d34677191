"""One model, or two beside one another; what differs is bold."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QGridLayout, QLabel, QScrollArea, QWidget

from ...model.library.lineage import CompareRow
from ..base.style import SMALL, SPACING_PX, clear


class ModelsCompare(QScrollArea):
    """Rows of what, of the one, and of the other."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QWidget()
        self._grid = QGridLayout(column)
        self._grid.setHorizontalSpacing(3 * SPACING_PX)
        self._grid.setVerticalSpacing(2)
        self._grid.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.setWidget(column)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)

    def show_rows(self, rows: Sequence[CompareRow], *, both: bool) -> None:
        """Show one column of values, or with ``both`` two."""
        clear(self._grid)
        for column in (1, 2):
            self._grid.setColumnStretch(column, 1 if both or column == 1 else 0)
        for line, row in enumerate(rows):
            cells = (row.heading, row.left, row.right) if both else (row.heading, row.left)
            for column, text in enumerate(cells):
                self._grid.addWidget(_cell(text, bold=both and column > 0 and row.differs), line, column)

    def texts(self) -> list[str]:
        """What the cells say, row by row."""
        return [self._grid.itemAt(place).widget().text() for place in range(self._grid.count())]


def _cell(text: str, *, bold: bool) -> QLabel:
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
    label.setStyleSheet(f"{SMALL}{' font-weight: 600;' if bold else ''}")
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
