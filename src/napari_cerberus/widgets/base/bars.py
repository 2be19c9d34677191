"""Labelled horizontal bars with percentages."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent
from qtpy.QtWidgets import QGridLayout, QLabel, QSizePolicy, QWidget

from ...viewer.colours import class_colour
from .style import clear

_BAR_HEIGHT_PX = 10
_TRACK = QColor(128, 128, 128, 60)


class Bar(QWidget):
    """One bar.

    Parameters
    ----------
    share : float
        0..1.
    colour : str
    """

    def __init__(self, share: float, colour: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.share = min(max(share, 0.0), 1.0)
        self._colour = QColor(colour)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """As wide as there is room."""
        return QSize(80, _BAR_HEIGHT_PX)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the track and, over it, the share."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        whole, radius = QRectF(self.rect()), _BAR_HEIGHT_PX / 2
        painter.setBrush(_TRACK)
        painter.drawRoundedRect(whole, radius, radius)
        whole.setWidth(max(whole.width() * self.share, _BAR_HEIGHT_PX if self.share > 0 else 0.0))
        painter.setBrush(self._colour)
        painter.drawRoundedRect(whole, radius, radius)


class Bars(QWidget):
    """One bar per class, the largest first."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(2, 0, 0, 0)
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnStretch(1, 1)

    def show_shares(self, shares: Mapping[str, float], before: Mapping[str, float] | None = None) -> None:
        """Show ``class → probability``; with ``before``, in its order and with the change in percentage points."""
        clear(self._grid)
        for row, name in enumerate(sorted(shares, key=lambda one: -(before or shares)[one])):
            share, change = shares[name], "" if before is None else change_words(shares[name], before[name])
            title, percent = QLabel(name), QLabel(f"{share:.0%}{change}")
            weight = "font-weight: 600;" if row == 0 else ""
            title.setStyleSheet(weight)
            percent.setStyleSheet(weight)
            percent.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            percent.setMinimumWidth(38)
            self._grid.addWidget(title, row, 0)
            self._grid.addWidget(Bar(share, class_colour(name)), row, 1)
            self._grid.addWidget(percent, row, 2)

    def rows(self) -> list[tuple[str, str]]:
        """Names and percentages as shown, top to bottom."""
        return [
            (
                self._grid.itemAtPosition(row, 0).widget().text(),
                self._grid.itemAtPosition(row, 2).widget().text(),
            )
            for row in range(self._grid.count() // 3)
        ]


def change_words(share: float, before: float) -> str:
    """ " (−12)" in percentage points; " (=)" where both are shown as the same."""
    points = round(100 * share) - round(100 * before)
    return f" ({points:+d})".replace("-", "−") if points else " (=)"
