"""The dock's one Export button, and how the last export went."""

from __future__ import annotations

from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from ...viewer.controller import Controller
from ..base.style import PRIMARY_BUTTON, SPACING_PX, small_label
from .export_dialog import ExportDialog
from .export_status import ExportStatus

_ABOUT = (
    "Image and masks are cut into training pairs. Correct the objects first: a model repeats the errors of the pairs "
    "that it is trained on."
)


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
        self.open.setStyleSheet(PRIMARY_BUTTON)
        self.open.clicked.connect(self.show_dialog)
        self.status = ExportStatus(self._exporter)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING_PX)
        layout.addWidget(small_label(_ABOUT))
        layout.addWidget(self.open)
        layout.addWidget(self.status)

    def show_dialog(self) -> None:
        """Open the export, or bring it to the front."""
        if self.dialog is None:
            self.dialog = ExportDialog(self._exporter, self)
        self.dialog.show()
        self.dialog.raise_()
        self.dialog.activateWindow()
