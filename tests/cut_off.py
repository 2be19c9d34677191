"""What of a dock has less room than its words need."""

from __future__ import annotations

from typing import Any

from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QCheckBox, QLabel, QPushButton, QWidget

from correct_window import Window

WORDED = (QPushButton, QCheckBox, QLabel)


def cut_off(dock: Any) -> list[str]:
    """Everything in sight that has less width than its words need, or lies partly outside of its page."""
    found = []
    for name, page in dock.steps.pages.items():
        dock.steps.show_step(name)
        settle()
        found += [name] if page.widget().minimumSizeHint().width() > page.viewport().width() else []
        found += [name] if page.horizontalScrollBar().value() else []
        for widget in dock.findChildren(QWidget):
            if not widget.isVisible() or not isinstance(widget, WORDED) or not widget.text():
                continue
            wraps = isinstance(widget, QLabel) and widget.wordWrap()
            if not wraps and widget.width() < widget.minimumSizeHint().width():
                found.append(f"{name}: {widget.text()}")
            if widget.mapTo(dock, widget.rect().topRight()).x() >= dock.width():
                found.append(f"{name}: {widget.text()} ends outside")
    return found


def settle(rounds: int = 10) -> None:
    """Let panels that have just appeared find their places."""
    for _ in range(rounds):
        QApplication.processEvents()
        QTest.qWait(5)


def resize(window: Window, width: int, height: int) -> None:
    """Make the window so large, and show all of the tile in it."""
    window.viewer.window._qt_window.resize(width, height)
    settle(40)
    window.viewer.reset_view()
    settle()
