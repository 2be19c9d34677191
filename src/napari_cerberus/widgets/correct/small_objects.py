"""Delete small objects: a size that is safe for the layer to begin with, and a second click where it would be many."""

from __future__ import annotations

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QDoubleSpinBox, QHBoxLayout, QPushButton, QWidget

from ...viewer.correct.toolbox import ToolBox
from ..base.style import SPACING_PX, guard_wheel
from .window_keys import give_focus_back

_SMALLEST_UM2, _LARGEST_UM2 = 1.0, 100_000.0
MANY_SHARE = 0.05
"""So large a share of a layer is deleted only after a second click."""
_ASKS_MS = 5_000


class SmallObjects(QWidget):
    """A size and a button.

    Parameters
    ----------
    tools : ToolBox
    """

    def __init__(self, tools: ToolBox, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tools, self._key, self._asked = tools, "", False
        self.below, self.delete = QDoubleSpinBox(), QPushButton()
        self._calm = QTimer(self)
        self._calm.setSingleShot(True)
        self._calm.setInterval(_ASKS_MS)
        self._calm.timeout.connect(self._show_count)
        self.below.setRange(_SMALLEST_UM2, _LARGEST_UM2)
        self.below.setDecimals(0)
        self.below.setPrefix("< ")
        self.below.setSuffix(" µm²")
        guard_wheel(self.below)
        self.below.setToolTip("Objects of this layer under this size; proposed is what no whole object is.")
        self.delete.setToolTip("Delete the objects of this layer under the size; one step back.")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING_PX // 2)
        layout.addWidget(self.below, 1)
        layout.addWidget(self.delete, 1)
        self.below.valueChanged.connect(self._show_count)
        give_focus_back(self.below)
        self.delete.clicked.connect(self._on_click)
        tools.corrections.changed.connect(self._show_count)

    def show_active(self) -> None:
        """Propose a size when another layer is active, and count."""
        one = self._tools.corrections.active
        if one is not None and one.key != self._key:
            self._key = one.key
            self.below.setValue(self._tools.safe_small_um2())
        self._show_count()

    def _on_click(self) -> None:
        small, total = self._tools.count_small(self.below.value())
        if small > MANY_SHARE * total and not self._asked:
            self._asked = True
            self.delete.setText(f"Really delete {small:,}?")
            self._calm.start()
            return
        self._tools.delete_small(self.below.value())
        self._show_count()

    def _show_count(self, *_: object) -> None:
        self._asked = False
        self._calm.stop()
        small, total = self._tools.count_small(self.below.value())
        self.delete.setText(f"Delete {small:,} of {total:,}")
        self.delete.setEnabled(small > 0)
