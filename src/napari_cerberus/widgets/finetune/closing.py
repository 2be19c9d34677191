"""Closing napari while a fine-tune runs: go on in the background, or stop."""

from __future__ import annotations

import weakref
from enum import Enum, auto

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QMessageBox, QWidget

from ...viewer.runs.fine_tuning import FineTuning


class Answer(Enum):
    """What becomes of the runs when the window closes."""

    GO_ON = auto()
    STOP = auto()
    STAY = auto()


class ClosingQuestion(QObject):
    """Asks when the main window is about to close and a run is going.

    Parameters
    ----------
    finetuning : FineTuning
    dock : QWidget
        The dock; its topmost parent is the window that is watched.
    """

    def __init__(self, finetuning: FineTuning, dock: QWidget) -> None:
        super().__init__(dock)
        self._finetuning = finetuning
        # weakly: a closed window must not live on as long as its dock
        self._window: weakref.ref[QWidget] | None = None

    @property
    def window(self) -> QWidget | None:
        """The window that is watched."""
        return self._window() if self._window is not None else None

    def watch(self, dock: QWidget) -> None:
        """Watch the window that ``dock`` lives in, floating or not."""
        top = dock
        while (above := top.parentWidget()) is not None:
            top = above
        if top is self.window or top is dock:
            return
        self.let_go()
        self._window = weakref.ref(top)
        top.installEventFilter(self)

    def let_go(self) -> None:
        """Watch nothing any more."""
        if (window := self.window) is not None:
            window.removeEventFilter(self)
        self._window = None

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Ask, and keep the window open if the user wants to stay."""
        if event.type() != QEvent.Type.Close or watched is not self.window:
            return False
        runs = self._finetuning.live_runs()
        if not runs:
            return False
        answer = self.ask(len(runs))
        if answer is Answer.STAY:
            event.ignore()
            return True
        if answer is Answer.STOP:
            self._finetuning.stop_all()
        return False

    def ask(self, runs: int) -> Answer:
        """Show the question; the default is to go on."""
        box = QMessageBox(self.window)
        box.setWindowTitle("Fine-tuning is running")
        box.setIcon(QMessageBox.Icon.Question)
        box.setText("A fine-tune is running." if runs == 1 else f"{runs} fine-tunes are running or waiting.")
        box.setInformativeText(
            "It can go on in the background; the dock finds it again when napari is opened. "
            "If it is stopped, the best model so far is kept."
        )
        go_on = box.addButton("Go on in the background", QMessageBox.ButtonRole.AcceptRole)
        stop = box.addButton("Stop", QMessageBox.ButtonRole.DestructiveRole)
        stay = box.addButton("Stay in napari", QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(go_on)
        box.setEscapeButton(stay)
        box.exec()
        clicked = box.clickedButton()
        return Answer.STOP if clicked is stop else Answer.STAY if clicked is stay else Answer.GO_ON
