"""Which value of a 16-bit or float image is white: shown as found, and changed by the user."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from ...inference.images.brightness import BRIGHTNESS_RANGE, FullBrightness
from ..base.style import SMALL, SPACING_PX, guard_wheel

_DECIMALS, _WHOLE_FROM = 3, 300
"""Values of 16-bit images are whole numbers; those of float images are often under 1."""


class BrightnessField(QWidget):
    """Shows a ``FullBrightness`` and asks for one; not there at all for 8-bit images.

    Attributes
    ----------
    answered : Signal(float)
        The user said what is white; 0 asks for the rule again.
    """

    answered = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.spin = QDoubleSpinBox()
        self.spin.setRange(0.0, BRIGHTNESS_RANGE[1])
        self.spin.setDecimals(_DECIMALS)
        self.spin.setSpecialValueText("not found")
        self.spin.setKeyboardTracking(False)
        self.spin.setToolTip(
            "The value that plain glass may reach in this image; brighter pixels are cut to it. It is found from the "
            "whole image, so that every part of it is equally bright."
        )
        guard_wheel(self.spin)
        self.find = QPushButton("Find")
        self.find.setToolTip("Forget what was typed and find it from the image again")
        self.source = QLabel()
        self.source.setStyleSheet(SMALL)
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.spin, 1)
        row.addWidget(self.find)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING_PX // 2)
        layout.addLayout(row)
        layout.addWidget(self.source, 0, Qt.AlignmentFlag.AlignLeft)
        self.spin.valueChanged.connect(self.answered)
        self.find.clicked.connect(lambda: self.answered.emit(0.0))

    def show_brightness(self, found: FullBrightness | None) -> None:
        """Show a value and where it comes from; None for 8-bit images and without one."""
        self.setVisible(found is not None)
        if found is None:
            return
        self.spin.blockSignals(True)
        self.spin.setDecimals(_DECIMALS if found.value < _WHOLE_FROM else 0)
        self.spin.setValue(found.value)
        self.spin.blockSignals(False)
        self.find.setVisible(found.said)
        self.source.setText(
            "set by you" if found.said else "found from the image" if found.value else "set what white is"
        )
