"""How the export stands, and where it went."""

from __future__ import annotations

from qtpy.QtCore import Qt, QUrl
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from ...viewer.export.exporter import Exporter
from ...viewer.session import JobStatus
from ..base.job_bar import JobBar
from ..base.style import SPACING_PX

_LINK = '<a style="color: #4da3ff;" href="{}">Open the folder</a>'


class ExportStatus(QWidget):
    """Progress, cancel, the outcome, and a link to the folder.

    Parameters
    ----------
    exporter : Exporter
    """

    def __init__(self, exporter: Exporter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._exporter, session = exporter, exporter.session
        self.bar = JobBar(session.export, session.events.export, exporter.cancel)
        self.link = QLabel()
        self.link.setTextFormat(Qt.TextFormat.RichText)
        self.link.setOpenExternalLinks(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING_PX // 2)
        layout.addWidget(self.bar)
        layout.addWidget(self.link)
        session.events.export.connect(self._show_link)
        self._show_link(session.export)

    def _show_link(self, status: JobStatus) -> None:
        folder = self._exporter.written_folder
        self.link.setVisible(folder is not None and not status.state.busy)
        if folder is not None:
            self.link.setText(
                _LINK.format(QUrl.fromLocalFile(str(folder)).toString(QUrl.ComponentFormattingOption.FullyEncoded))
            )
            self.link.setToolTip(str(folder))
