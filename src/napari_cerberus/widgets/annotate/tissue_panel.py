"""Tissue type of the annotated region, as bars; "uncertain" is said plainly."""

from __future__ import annotations

from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from ...viewer.controller import Controller
from ...viewer.session import RunSummary
from ..base.bars import Bars
from ..base.section import Section
from ..base.style import SPACING_PX, Banner, Tone


class ReadoutPanel(QWidget):
    """Hidden until there is a readout.

    Parameters
    ----------
    controller : Controller
    """

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bars = Bars()
        self.doubt = Banner()
        self.map = QPushButton("Show tissue map")
        self.map.setToolTip("Add a coarse map of the likeliest tissue type as a layer")
        self.map.clicked.connect(controller.show_tissue_map)
        content = QWidget()
        inner = QVBoxLayout(content)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(SPACING_PX)
        for widget in (self.doubt, self.bars, self.map):
            inner.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(Section("Tissue", content))
        controller.session.events.readout.connect(self.show_readout)
        self.show_readout(controller.session.readout)

    def show_readout(self, readout: RunSummary | None) -> None:
        """Show the tissue part of ``readout``."""
        tissue = readout.tissue if readout is not None else {}
        self.setVisible(bool(tissue))
        self.bars.show_shares(tissue)
        self.doubt.say(readout.tissue_doubt if readout is not None else "", Tone.CAUTION)
        self.map.setVisible(readout is not None and readout.has_tissue_map)
