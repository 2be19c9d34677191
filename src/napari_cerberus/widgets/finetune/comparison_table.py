"""Old against new, row by row."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from ...finetune.comparison.comparison_record import Row
from ..base.style import SMALL, SPACING_PX, clear
from .comparison_words import interval, number, signed, task_of, tone_of

_SHORT = ("agreement, 0 to 1", "old", "new", "difference")
_LONG = ("", "Figure", "Old", "New", "Difference", "95 % interval", "Tiles", "Patients")


class ComparisonTable(QWidget):
    """A table of ``Row``.

    Parameters
    ----------
    brief : bool
        Four narrow columns, with the interval below each difference; otherwise everything.
    """

    def __init__(self, brief: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._brief = brief
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(2, 0, 0, 0)
        self._grid.setHorizontalSpacing((1 if brief else 3) * SPACING_PX)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(0, 1)

    def show_rows(self, rows: Sequence[Row]) -> None:
        """Show these rows; none hides the table."""
        clear(self._grid)
        self.setVisible(bool(rows))
        if not rows:
            return
        for column, words in enumerate(_SHORT if self._brief else _LONG):
            self._add(0, column, words, "font-weight: 600;")
        for line, row in enumerate(rows, start=1):
            self._add_row(line, row)

    def texts(self) -> list[str]:
        """What the cells say, row by row."""
        return [self._grid.itemAt(place).widget().text() for place in range(self._grid.count())]

    def _add_row(self, line: int, row: Row) -> None:
        tone = tone_of(row)
        coloured = f"color: {tone.value}; font-weight: 600;" if tone is not None else ""
        if self._brief:
            between = interval(row)
            difference = f"{signed(row.difference)}\n{between}" if between else signed(row.difference)
            cells = [task_of(row), number(row.base), number(row.candidate), difference]
            place = 3
        else:
            cells = [task_of(row), row.heading or row.figure, number(row.base), number(row.candidate)]
            cells += [signed(row.difference), interval(row) or "–", f"{row.tiles:,}", f"{row.patients:,}"]
            place = 4
        for column, text in enumerate(cells):
            bold = "font-weight: 600;" if row.primary and column == 0 else ""
            self._add(line, column, text, coloured if column == place else bold, row.heading or row.figure)

    def _add(self, line: int, column: int, text: str, style: str, hint: str = "") -> None:
        label = QLabel(text)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setStyleSheet(f"{SMALL} {style}")
        label.setToolTip(hint)
        left = column == 0 or (column == 1 and not self._brief)
        side = Qt.AlignmentFlag.AlignLeft if left else Qt.AlignmentFlag.AlignRight
        label.setAlignment(side)
        self._grid.addWidget(label, line, column, side | Qt.AlignmentFlag.AlignTop)
