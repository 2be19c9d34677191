"""The pixel size of the image: a number, presets, and where the number comes from."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLabel, QMenu, QPushButton, QVBoxLayout, QWidget

from ...pixel_size import RANGE_UM, PixelSize
from ...viewer.pixel_size_lookup import PRESETS
from ..base.style import SMALL, SPACING_PX, guard_wheel

_ASSUMED = "background-color: #e0a526; color: #1d1d1d; border-radius: 3px; padding: 1px 5px;" + SMALL


class PixelSizeField(QWidget):
    """Shows a ``PixelSize`` and asks for one.

    Attributes
    ----------
    answered : Signal(float)
        The user typed a size, or confirmed one, in µm.
    """

    answered = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown: PixelSize | None = None
        self.spin = self._make_spin()
        self.presets = QPushButton("Presets")
        self.presets.setToolTip("Usual pixel sizes of scanners and data sets")
        self.presets.setMenu(self._make_menu())
        self.source = QLabel()
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.spin, 1)
        row.addWidget(self.presets)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING_PX // 2)
        layout.addLayout(row)
        layout.addWidget(self.source, 0, Qt.AlignmentFlag.AlignLeft)
        self.show_size(None)

    def show_size(self, size: PixelSize | None) -> None:
        """Show a size and its source; None where there is no image."""
        self._shown = size
        self.setEnabled(size is not None)
        self.source.setVisible(size is not None)
        if size is None:
            return
        self.spin.blockSignals(True)
        self.spin.setValue(size.mean_um)
        self.spin.blockSignals(False)
        source = "assumed: set it if you know it" if size.assumed else size.source.value
        self.source.setText(source if size.is_square else f"{size} (height × width)\n{source}")
        self.source.setStyleSheet(_ASSUMED if size.assumed else SMALL)

    def _make_spin(self) -> QDoubleSpinBox:
        spin = QDoubleSpinBox()
        spin.setRange(*RANGE_UM)
        spin.setDecimals(3)
        spin.setSingleStep(0.05)
        spin.setSuffix(" µm")
        spin.setKeyboardTracking(False)
        spin.setToolTip("Side of a pixel; the image is brought to the model's own pixel size before it is read.")
        guard_wheel(spin)
        spin.valueChanged.connect(self.answered)
        # Enter on an assumed number confirms it
        spin.lineEdit().returnPressed.connect(self._confirm)
        return spin

    def _make_menu(self) -> QMenu:
        menu = QMenu(self)
        for name, um in PRESETS:
            action = menu.addAction(f"{name}: {um:g} µm/px")
            action.triggered.connect(lambda _=False, um=um: self.answered.emit(um))
        return menu

    def _confirm(self) -> None:
        if self._shown is not None and self._shown.assumed:
            self.answered.emit(self.spin.value())
