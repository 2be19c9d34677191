"""The dock's one Export button, and how the last export went."""

from __future__ import annotations

from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from ...viewer.controller import Controller
from ..base.section import Section
from ..base.style import SPACING_PX
from .export_dialog import ExportDialog
from .export_status import ExportStatus


class ExportPanel(QWidget):
    """Opens the export.

    Parameters
    ----------
    controller : Controller
    """

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._exporter = controller.export
        self.dialog: ExportDialog | None = None
        self.open = QPushButton("Export training pairs …")
        self.open.setToolTip("Cut image and masks into pairs for training; everything is shown before it is written.")
        self.open.clicked.connect(self.show_dialog)
        self.status = ExportStatus(self._exporter)
        content = QWidget()
        inner = QVBoxLayout(content)
        inner.setContentsMargins(2, 0, 0, 0)
        inner.setSpacing(SPACING_PX)
        inner.addWidget(self.open)
        inner.addWidget(self.status)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(Section("Export", content))

    def show_dialog(self) -> None:
        """Open the export, or bring it to the front."""
        if self.dialog is None:
            self.dialog = ExportDialog(self._exporter, self)
        self.dialog.show()
        self.dialog.raise_()
        self.dialog.activateWindow()
