"""The dock: a tab for each step of the work, and below them what is asked or running now."""

from __future__ import annotations

from functools import partial
from typing import Any

from qtpy.QtCore import QEvent, QTimer
from qtpy.QtGui import QKeySequence, QShortcut, QShowEvent
from qtpy.QtWidgets import QDockWidget, QLabel, QVBoxLayout, QWidget

from ..viewer.controller import Controller
from ..viewer.session import JobStatus
from .adapt.learn_panel import LearnPanel
from .annotate.annotate_panel import ANNOTATE_KEYS, AnnotatePanel
from .annotate.objects_panel import ObjectsPanel
from .annotate.tissue_panel import ReadoutPanel
from .base.job_bar import JobBar
from .base.steps import Steps
from .base.style import FOCUS, SPACING_PX, small_label
from .base.tab_order import tab_in_reading_order
from .correct.correct_panel import CorrectPanel
from .correct.offers import Offers
from .correct.review_panel import ReviewPanel
from .export.export_panel import ExportPanel
from .finetune.closing import ClosingQuestion
from .finetune.finetune_panel import FinetunePanel
from .finetune.next_images_panel import NextImagesPanel
from .help.help_row import HelpRow
from .help.tour import Tour
from .slides.batch_panel import BatchPanel
from .slides.slide_panel import SlidePanel

_TITLE = "Cerberus H&E annotation"
_LAID_OUT_MS = 60
_NOTHING_YET = "Annotate an image first, or open a saved annotation with File ▸ Open."


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
        self._was_docked = self._tools_shown = self._learns = False
        self.annotate = AnnotatePanel(self.controller)
        session = self.controller.session
        self.job_bar = JobBar(session.job, session.events.job, self.controller.cancel)
        self.offers = Offers(self.controller, self)
        self.readout = ReadoutPanel(self.controller, self)
        self.objects = ObjectsPanel(self.controller, self)
        self.slide = SlidePanel(self.controller, self)
        self.batch = BatchPanel(self.controller)
        self.review = ReviewPanel(self.controller, self)
        self.correct = CorrectPanel(self.controller, self)
        self.learn = LearnPanel(self.controller, self)
        self.export = ExportPanel(self.controller)
        self.finetune = FinetunePanel(self.controller)
        self.next_images = NextImagesPanel(self.controller)
        self.closing = ClosingQuestion(self.controller.finetuning, self)
        self.tour = Tour(self.controller)
        self.help = HelpRow(self.controller, self.tour)
        self.nothing_yet = small_label(_NOTHING_YET)
        self._lay_out()
        self.setStyleSheet(FOCUS)
        for keys in ANNOTATE_KEYS:
            QShortcut(QKeySequence(keys), self).activated.connect(self.annotate.press)
        self.controller.correct.corrections.active_changed.connect(self._show_tools)
        self._why_laid_out = QTimer(self, singleShot=True, interval=_LAID_OUT_MS)
        self._why_laid_out.timeout.connect(lambda: self.steps.show_panel(self.readout.panel))
        self.readout.why.toggled.connect(self._show_reasons)
        self._learn_laid_out = QTimer(self, singleShot=True, interval=_LAID_OUT_MS)
        self._learn_laid_out.timeout.connect(self._show_learning)
        self.controller.learning.status_changed.connect(self._on_learning)
        self.controller.next_images.opened.connect(lambda: self.steps.show_step("annotate"))
        self._show_tools()
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
        tab_in_reading_order(self)
        around = self.parent()
        bar = around.titleBarWidget() if isinstance(around, QDockWidget) else None
        for label in bar.findChildren(QLabel) if bar is not None else ():
            if label.text() == around.windowTitle():
                label.setText(_TITLE)

    def _show_tools(self) -> None:
        """Go to Review & correct when the first object is chosen: correcting has begun."""
        active = self.controller.correct.corrections.active
        self.nothing_yet.setVisible(active is None)
        if not self._tools_shown and active is not None and active.selected:
            self._tools_shown = True
            self.steps.show_step("correct")

    def _show_reasons(self, wanted: bool) -> None:
        """Scroll to the reasons once they have their place: in a low window they open below its edge."""
        if wanted:
            self._why_laid_out.start()
        else:
            self._why_laid_out.stop()

    def _on_learning(self, status: JobStatus) -> None:
        """Remember when a round begins."""
        if status.state.busy and not self._learns:
            self._learn_laid_out.start()
        self._learns = status.state.busy

    def _show_learning(self) -> None:
        """Scroll to progress and Cancel once they have their place; a tab that one has left stays left."""
        self.steps.pages["correct"].ensureWidgetVisible(self.learn.job_bar, 0, SPACING_PX)

    def _lay_out(self) -> None:
        """Tabs above; below them, in sight from every tab, questions and the running job."""
        self.steps = steps = Steps()
        first = self.annotate, self.slide, self.readout, self.objects, self.batch
        steps.add("annotate", "Annotate", "Choose image and model, and annotate", *first)
        steps.add("correct", "Review & correct", "Look at what is least certain, and mend it", *self._review_panels())
        steps.add("export", "Export", "Write training pairs from corrected images", self.export)
        teaches = self.finetune, self.next_images
        steps.add("learn", "Learn", "Fine-tune a model on your pairs, and compare it with the old one", *teaches)
        below = QVBoxLayout()
        below.setContentsMargins(SPACING_PX, SPACING_PX, SPACING_PX, SPACING_PX)
        below.setSpacing(SPACING_PX)
        below.addWidget(self.offers)
        below.addWidget(self.job_bar)
        below.addWidget(self.help)
        steps.chosen.connect(lambda _step: tab_in_reading_order(self))  # rows come and go
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.tour)
        layout.addWidget(steps, 1)
        layout.addLayout(below)

    def _review_panels(self) -> tuple[QWidget, ...]:
        """From top to bottom of the tab Review & correct."""
        return self.nothing_yet, self.review, self.correct, self.learn


def _close(controller: Controller, _destroyed: Any = None) -> None:
    controller.close()
