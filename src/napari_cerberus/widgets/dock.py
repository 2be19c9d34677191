"""The dock: the panels in the order in which one works, in one column that scrolls."""

from __future__ import annotations

from functools import partial
from typing import Any

from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QDockWidget, QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from ..viewer.controller import Controller
from .adapt.learn_panel import LearnPanel
from .annotate.annotate_panel import AnnotatePanel
from .annotate.objects_panel import ObjectsPanel
from .annotate.tissue_panel import ReadoutPanel
from .base.job_bar import JobBar
from .base.style import SPACING_PX
from .correct.correct_panel import CorrectPanel
from .correct.offers import Offers
from .correct.review_panel import ReviewPanel
from .export.export_panel import ExportPanel
from .finetune.closing import ClosingQuestion
from .finetune.finetune_panel import FinetunePanel

_MINIMUM_WIDTH_PX = 310
_SETTLE_MS = 150
_TITLE = "Cerberus H&E annotation"


class CerberusDock(QWidget):
    """What the manifest's command opens.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        napari passes a proxy of public names; the parameter's name is how it knows.
    controller : Controller, optional
        Tests pass one whose jobs are fake.
    """

    def __init__(self, napari_viewer: Any, controller: Controller | None = None) -> None:
        super().__init__()
        self.controller = controller if controller is not None else Controller(napari_viewer)
        self._was_docked = self._tools_shown = False
        # panels that have just appeared need a moment to find their places
        self._settling = QTimer(self)
        self._settling.setSingleShot(True)
        self._settling.timeout.connect(self._scroll_to_tools)
        self.annotate = AnnotatePanel(self.controller)
        session = self.controller.session
        self.job_bar = JobBar(session.job, session.events.job, self.controller.cancel)
        self.offers = Offers(self.controller)
        self.readout = ReadoutPanel(self.controller)
        self.objects = ObjectsPanel(self.controller)
        self.review = ReviewPanel(self.controller)
        self.correct = CorrectPanel(self.controller)
        self.learn = LearnPanel(self.controller)
        self.export = ExportPanel(self.controller)
        self.finetune = FinetunePanel(self.controller)
        self.closing = ClosingQuestion(self.controller.finetuning, self)
        panels = (self.annotate, self.job_bar, self.offers, self.readout, self.objects)
        self._lay_out(*panels, self.review, self.correct, self.learn, self.export, self.finetune)
        self.controller.correct.corrections.active_changed.connect(self._show_tools)
        # a bound method of self is not called any more when self is destroyed
        self.destroyed.connect(partial(_close, self.controller))
        self.controller.look_up_models()
        self.controller.look_for_runs()

    def reset_choices(self, event: Any = None) -> None:
        """Follow the layer list; napari's name for it."""
        self.annotate.reset_choices()

    def event(self, event: QEvent) -> bool:
        """Stop the work when the dock's × takes this widget out of its dock without destroying it."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None:
                self._was_docked = True
                self.closing.watch(self)
            elif self._was_docked:
                self.closing.let_go()
                self.controller.close()
        return bool(super().event(event))

    def showEvent(self, event: QShowEvent) -> None:
        """Name the dock without the package's name, for which a narrow dock has no room."""
        super().showEvent(event)
        self.closing.watch(self)
        around = self.parent()
        bar = around.titleBarWidget() if isinstance(around, QDockWidget) else None
        for label in bar.findChildren(QLabel) if bar is not None else ():
            if label.text() == around.windowTitle():
                label.setText(_TITLE)

    def _show_tools(self) -> None:
        """Scroll to review and tools when the first object is chosen: correcting has begun."""
        active = self.controller.correct.corrections.active
        if not self._tools_shown and active is not None and active.selected:
            self._tools_shown = True
            self._settling.start(_SETTLE_MS)

    def _scroll_to_tools(self) -> None:
        self.scroll.ensureWidgetVisible(self.correct)

    def _lay_out(self, *panels: QWidget) -> None:
        column = QWidget()
        inner = QVBoxLayout(column)
        inner.setContentsMargins(SPACING_PX, SPACING_PX, SPACING_PX, SPACING_PX)
        inner.setSpacing(SPACING_PX)
        for panel in panels:
            inner.addWidget(panel)
        inner.addStretch(1)
        self.scroll = scroll = QScrollArea()
        scroll.setWidget(column)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll)
        self.setMinimumWidth(_MINIMUM_WIDTH_PX)


def _close(controller: Controller, _destroyed: Any = None) -> None:
    controller.close()
