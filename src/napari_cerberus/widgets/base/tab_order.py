"""The focus goes from field to field as one reads: from left to right, then down."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QGridLayout, QLayout, QScrollArea, QWidget

_WHOLE = (QAbstractSpinBox, QComboBox)
"""Their parts are no fields of their own."""


def tab_in_reading_order(root: QWidget) -> None:
    """Have the Tab key go through what can have the focus in ``root``, as it is laid out.

    Without it Qt goes by the order in which widgets were made.
    """
    for before, after in pairwise(reading_order(root)):
        QWidget.setTabOrder(before, after)


def reading_order(widget: QWidget) -> Iterator[QWidget]:
    """What the Tab key can reach in ``widget``, itself among it, hidden or not."""
    if widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
        yield widget
    if isinstance(widget, _WHOLE):
        return
    if isinstance(widget, QScrollArea):
        if (inner := widget.widget()) is not None:
            yield from reading_order(inner)
    elif (layout := widget.layout()) is not None:
        yield from _in_layout(layout)


def _in_layout(layout: QLayout) -> Iterator[QWidget]:
    places = list(range(layout.count()))
    if isinstance(layout, QGridLayout):
        places.sort(key=lambda place: layout.getItemPosition(place)[:2])
    for place in places:
        item = layout.itemAt(place)
        if (widget := item.widget()) is not None:
            yield from reading_order(widget)
        elif (inner := item.layout()) is not None:
            yield from _in_layout(inner)
