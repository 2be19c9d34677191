"""Help, the tour and the report of a problem, in a row that is in sight from every step."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QWidget

from ...errors import OutputError
from ...viewer.controller import Controller
from ...viewer.problem_report import report, write_report
from ..base.style import SPACING_PX
from .tour import Tour
from .tutorial_dialog import TutorialDialog

_PROPOSED = "napari-cerberus-problem.md"


class HelpRow(QWidget):
    """Three buttons.

    Parameters
    ----------
    controller : Controller
    tour : Tour
    """

    def __init__(self, controller: Controller, tour: Tour, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
        self.help, self.tour, self.problem = QPushButton("Help"), QPushButton("Tour"), QPushButton("Report a problem …")
        self.help.setToolTip("The tutorial of this version; no network is needed.")
        self.tour.setToolTip("Four steps on a sample tile")
        self.problem.setToolTip("Write one file with versions, settings and warnings; no image and no name is in it.")
        self.dialog: TutorialDialog | None = None
        self.help.clicked.connect(self.show_tutorial)
        self.tour.clicked.connect(tour.begin)
        self.problem.clicked.connect(self._ask_and_write)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING_PX // 2)
        for button in (self.help, self.tour, self.problem):
            layout.addWidget(button, 1)

    def show_tutorial(self) -> None:
        """Open the tutorial, or bring it to the front."""
        if self.dialog is None:
            self.dialog = TutorialDialog(self)
        self.dialog.show()
        self.dialog.raise_()

    def _ask_and_write(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Report a problem", _PROPOSED, "Text (*.md *.txt)")
        if path:
            self._write(Path(path))

    def _write(self, path: Path) -> None:
        controller = self._controller
        try:
            write_report(path, report(controller.session, controller.choose.preferences, controller.log))
        except OutputError as error:
            controller.say_problem(error)
            return
        controller.say_done(f"The report is in {path}. Write into it what you did and what happened, then send it.")
