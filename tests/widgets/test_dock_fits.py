"""The dock in sizes, themes, fonts and languages: nothing is cut off, every control says what it does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from napari.settings import get_settings
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QSlider,
    QWidget,
)

from correct_window import Window
from cut_off import WORDED, cut_off, resize, settle

_CONTROLS = (QAbstractButton, QComboBox, QAbstractSpinBox, QLineEdit, QSlider)
_GERMAN = 1.4
"""A German label is that much longer than its English one."""


def controls(dock: QWidget) -> Iterator[Any]:
    """What a user can click or type into, parts of other controls left out."""
    for widget in dock.findChildren(QWidget):
        if isinstance(widget, _CONTROLS) and not isinstance(widget.parent(), (QAbstractSpinBox, QComboBox)):
            yield widget


def stretch(dock: QWidget) -> None:
    """Make the words on buttons and left of fields as long as German ones."""
    for widget in dock.findChildren(QWidget):
        if isinstance(widget, WORDED) and len(widget.text()) > 2:
            more = round((_GERMAN - 1) * len(widget.text()))
            wraps = isinstance(widget, QLabel) and widget.wordWrap()  # into more lines, not into a longer word
            widget.setText(widget.text() + (" nnnnnnn" * (more // 8 + 1) if wraps else "n" * more))


@pytest.mark.parametrize("size", [(1280, 800), (1600, 1000)])
def test_nothing_is_cut_off(window: Window, size: tuple[int, int]) -> None:
    resize(window, *size)
    window.click(window.layer("glands"), (3, 8))
    assert window.dock.steps.current == "correct", "correcting has begun"
    for theme in ("light", "dark"):
        window.viewer.theme = theme
        assert cut_off(window.dock) == [], theme
    settings = get_settings().appearance
    usual = settings.font_size
    settings.font_size = round(1.5 * usual)
    try:
        assert cut_off(window.dock) == [], "larger type"
    finally:
        settings.font_size = usual
    stretch(window.dock)
    settle(60)  # a busy computer lays out late
    assert cut_off(window.dock) == [], "longer words"


def test_every_control_says_what_it_does(window: Window) -> None:
    silent = [
        f"{type(one).__name__} {one.text() if hasattr(one, 'text') else one.parent()}"
        for one in controls(window.dock)
        if not one.toolTip()
    ]
    assert not silent, "\n".join(silent)
