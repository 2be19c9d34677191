"""Tissue type of the annotated region, as bars; "uncertain" is said plainly."""

from __future__ import annotations

from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from ...viewer.controller import Controller
from ...viewer.session import RunSummary
from ..base.bars import Bars
from ..base.section import Section
from ..base.style import SPACING_PX, Banner, Tone
from .why_panel import WhyPanel


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
        self.why = QPushButton("Why?")
        self.why.setCheckable(True)
        self.why.setToolTip("Show which learned tiles this image resembles, and hide parts of it to see what changes")
        self.why.toggled.connect(self._show_why)
        self._reasons = controller.why
        self.panel = WhyPanel(controller)
        self.panel.hide()
        buttons = QHBoxLayout()
        buttons.addWidget(self.why)
        buttons.addWidget(self.map)
        content = QWidget()
        inner = QVBoxLayout(content)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(SPACING_PX)
        for widget in (self.doubt, self.bars):
            inner.addWidget(widget)
        inner.addLayout(buttons)
        inner.addWidget(self.panel)
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
        self.why.setChecked(False)

    def _show_why(self, wanted: bool) -> None:
        self.panel.setVisible(wanted)
        if wanted:
            self._reasons.ask()
        else:
            self._reasons.put_away()
