"""Leaning toward recall or precision, in words."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget

from ..base.style import SMALL, guard_wheel

_STEPS = 10


class SensitivitySlider(QWidget):
    """A slider from precision to recall.

    Attributes
    ----------
    chosen : Signal(float)
        -1 leans toward precision, 0 balanced, +1 toward recall.
    """

    chosen = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(-_STEPS, _STEPS)
        self.slider.setPageStep(_STEPS // 2)
        self.slider.setTickPosition(QSlider.TickPosition.TicksBelow)
        self.slider.setTickInterval(_STEPS)
        self.slider.setToolTip(
            "Precision: fewer false objects. Recall: fewer missed objects, usually the worse error in pathology."
        )
        guard_wheel(self.slider)
        self.slider.valueChanged.connect(lambda step: self.chosen.emit(step / _STEPS))
        words = QHBoxLayout()
        words.setContentsMargins(0, 0, 0, 0)
        for text, alignment in (("precision", "Left"), ("balanced", "HCenter"), ("recall", "Right")):
            label = QLabel(text)
            label.setStyleSheet(SMALL)
            words.addWidget(label, 1, getattr(Qt.AlignmentFlag, f"Align{alignment}"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.slider)
        layout.addLayout(words)

    def show_value(self, sensitivity: float) -> None:
        """Move the handle without telling anyone."""
        self.slider.blockSignals(True)
        self.slider.setValue(round(sensitivity * _STEPS))
        self.slider.blockSignals(False)
