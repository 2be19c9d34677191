"""A first tour of four steps on the sample tile; it can be skipped, and is offered once."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from ...viewer.controller import Controller
from ...viewer.io.sample_data import synthetic_colon
from ...viewer.session import JobState, JobStatus
from ..base.style import SPACING_PX, Banner

STEPS = (
    "1 of 4. New here? Open the sample tile, a painted piece of colon.",
    "2 of 4. Press Annotate. Nuclei, glands and lumina become layers of outlines.",
    "3 of 4. Under Review & correct, press “.” to see the least certain object; A accepts it, R rejects it.",
    "4 of 4. Click an object and press D to delete it; Ctrl+Z takes every step back. Save … keeps your work.",
)
_OPEN, _NEXT, _DONE = "Open the sample tile", "Next", "Done"


class Tour(QWidget):
    """Hidden once it was walked or skipped.

    Parameters
    ----------
    controller : Controller
    """

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
        self._step = 0
        self.words = Banner()
        self.forward, self.skip = QPushButton(), QPushButton("Skip the tour")
        self.forward.setToolTip("Go on to the next step of the tour")
        self.skip.setToolTip("Close the tour; the button Tour below opens it again.")
        self.forward.clicked.connect(self.go_on)
        self.skip.clicked.connect(self.end)
        row = QHBoxLayout()
        row.addWidget(self.forward, 1)
        row.addWidget(self.skip, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SPACING_PX, SPACING_PX, SPACING_PX, 0)
        layout.setSpacing(SPACING_PX)
        layout.addWidget(self.words)
        layout.addLayout(row)
        controller.session.events.job.connect(self._on_job)
        controller.correct.review.changed.connect(self._on_review)
        self._show()
        self.setVisible(controller.choose.tour_wanted)

    def begin(self) -> None:
        """Walk it from its first step."""
        self._step = 0
        self._show()
        self.show()

    def end(self) -> None:
        """Offer it no more."""
        self._controller.choose.tour_seen()
        self.hide()

    def go_on(self) -> None:
        """Do what the button says, and show the next step."""
        if self._step == 0:
            self._open_sample()
        if self._step == len(STEPS) - 1:
            self.end()
            return
        self._step += 1
        self._show()

    @property
    def step(self) -> int:
        """Place of the shown step, from 0."""
        return self._step

    def _open_sample(self) -> None:
        ((pixels, settings, _kind),) = synthetic_colon()
        names = [str(layer.name) for layer in self._controller.layers.viewer.layers]
        if settings["name"] not in names:
            self._controller.layers.add_picture(pixels, settings)

    def _show(self) -> None:
        self.words.say(STEPS[self._step])
        self.forward.setText(_OPEN if self._step == 0 else _DONE if self._step == len(STEPS) - 1 else _NEXT)

    def _on_job(self, status: JobStatus) -> None:
        if self._step < 2 and status.state is JobState.RETURNED and self.isVisible():  # also of an image of one's own
            self._step = 2
            self._show()

    def _on_review(self, *_: Any) -> None:
        if self._step == 2 and self._controller.correct.review.current is not None and self.isVisible():
            self.go_on()
