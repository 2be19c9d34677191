"""What was found: counts with their colours, and how the layers look."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QColorDialog,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...tasks import objects_of
from ...viewer.colours import class_colour, task_colour
from ...viewer.controller import Controller
from ...viewer.session import ColourBy, RunSummary
from ..base.section import Section
from ..base.style import SPACING_PX, clear, guard_wheel, small_label
from ..base.tab_order import tab_in_reading_order

_SWATCH_PX = 14
_SWATCH = """
QPushButton, QLabel {{ background-color: {colour}; border: 1px solid rgba(150, 150, 150, 200); border-radius: 2px;
    padding: 0px; }}
QPushButton:focus, QPushButton:hover {{ border: 2px solid #e8730c; }}
"""


class ObjectsPanel(QWidget):
    """Hidden until there is a readout.

    Parameters
    ----------
    controller : Controller
    """

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._choose = controller.session, controller.choose
        self.legend = QGridLayout()
        self.run = small_label()
        self.colour_by, self.filled = QComboBox(), QComboBox()
        for choice in ColourBy:
            self.colour_by.addItem(f"Colour by {choice.value}", choice.value)
        for words, filled in (("Outlines", False), ("Filled", True)):
            self.filled.addItem(words, filled)
        self.colour_by.setToolTip("One colour for each class, or another for each object")
        self.filled.setToolTip("Show objects as outlines or as filled areas.")
        guard_wheel(self.colour_by, self.filled)
        self._lay_out()
        choose = controller.choose
        self.colour_by.activated.connect(
            lambda index: choose.display(colour_by=ColourBy(self.colour_by.itemData(index)))
        )
        self.filled.activated.connect(lambda index: choose.display(filled=bool(self.filled.itemData(index))))
        self._session.events.readout.connect(self.show_readout)
        self._session.events.colour_by.connect(self._show_display)
        self._session.events.filled.connect(self._show_display)
        self._session.events.task_colours.connect(self._show_display)
        self.show_readout(self._session.readout)
        self._show_display()

    def show_readout(self, readout: RunSummary | None) -> None:
        """Show counts and colours of ``readout``."""
        self.setVisible(readout is not None)
        clear(self.legend)
        if readout is None:
            return
        by_class = self._session.colour_by is ColourBy.CLASS
        for task, number in readout.counts.items():
            typed = readout.classes.get(task, {})
            colour = task_colour(task, self._session.task_colours)
            self._add_line(objects_of(task, number), colour if by_class and not typed else "", task)
            for name, count in typed.items():
                self._add_line(f"    {count:,} {name}", class_colour(name) if by_class else "")
        tab_in_reading_order(self)  # of new buttons
        self.run.setText(f"Model {readout.model_name}. {readout.device_reason}")

    def _show_display(self) -> None:
        self.colour_by.setCurrentIndex(self.colour_by.findData(self._session.colour_by.value))
        self.filled.setCurrentIndex(self.filled.findData(self._session.filled))
        self.show_readout(self._session.readout)

    def _add_line(self, text: str, colour: str, task: str = "") -> None:
        row = self.legend.count() // 2
        swatch = self._button(task, colour) if task and colour else QLabel()
        swatch.setFixedSize(_SWATCH_PX, _SWATCH_PX)
        if colour:
            swatch.setStyleSheet(_SWATCH.format(colour=colour))
        self.legend.addWidget(swatch, row, 0, Qt.AlignmentFlag.AlignVCenter)
        self.legend.addWidget(QLabel(text), row, 1)

    def _button(self, task: str, colour: str) -> QPushButton:
        button = QPushButton()
        button.setToolTip(f"Choose another colour for {task}; Cancel there keeps this one.")
        button.setAccessibleName(f"Colour of {task}")
        button.clicked.connect(partial(self._ask_colour, task, colour))
        return button

    def _ask_colour(self, task: str, colour: str, _checked: bool = False) -> None:
        chosen = QColorDialog.getColor(QColor(colour), self, f"Colour of {task}")
        if chosen.isValid():
            self._choose.colour(task, chosen.name())

    def _lay_out(self) -> None:
        self.legend.setColumnStretch(1, 1)
        self.legend.setVerticalSpacing(2)
        looks = QHBoxLayout()
        looks.addWidget(self.colour_by, 1)
        looks.addWidget(self.filled, 1)
        content = QWidget()
        inner = QVBoxLayout(content)
        inner.setContentsMargins(2, 0, 0, 0)
        inner.setSpacing(SPACING_PX)
        inner.addLayout(self.legend)
        inner.addLayout(looks)
        inner.addWidget(self.run)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(Section("Objects", content))
