"""Fields under one another, their labels left of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QGridLayout, QHBoxLayout, QPushButton, QSpinBox, QWidget

from .style import SPACING_PX, field_label, guard_wheel


def combo(choices: Iterable[tuple[str, Any]] = ()) -> QComboBox:
    """A list of ``(words, value)`` to choose from."""
    box = QComboBox()
    for words, value in choices:
        box.addItem(words, value)
    narrow(box)
    guard_wheel(box)
    return box


def narrow(box: QComboBox) -> None:
    """Let a list take the room there is, however long its words are."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(10)


def whole_number(value: int, allowed: tuple[int, int], suffix: str = "") -> QSpinBox:
    """A field for a whole number; it tells of a new one when it is complete."""
    spin = QSpinBox()
    spin.setRange(*allowed)
    spin.setSuffix(suffix)
    spin.setValue(value)
    spin.setKeyboardTracking(False)
    guard_wheel(spin)
    return spin


def button_row(*buttons: QPushButton) -> QWidget:
    """Buttons beside one another, all equally wide."""
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(SPACING_PX // 2)
    for button in buttons:
        layout.addWidget(button, 1)
    return row


def new_form() -> tuple[QWidget, QGridLayout]:
    """An empty form and its grid."""
    content = QWidget()
    grid = QGridLayout(content)
    grid.setContentsMargins(2, 0, 0, 0)
    grid.setVerticalSpacing(SPACING_PX)
    grid.setColumnStretch(1, 1)
    return content, grid


def add_row(
    grid: QGridLayout,
    row: int,
    title: str,
    field: QWidget,
    beside: QWidget | None = None,
    *,
    top: bool = False,
) -> None:
    """Put ``field`` into a form, its label left of it; ``top`` aligns the label with the field's upper edge."""
    alignment = Qt.AlignmentFlag.AlignTop if top else Qt.AlignmentFlag.AlignVCenter
    grid.addWidget(field_label(title, field), row, 0, alignment)
    if beside is None:
        grid.addWidget(field, row, 1)
        return
    both = QHBoxLayout()
    both.addWidget(field, 1)
    both.addWidget(beside)
    grid.addLayout(both, row, 1)
