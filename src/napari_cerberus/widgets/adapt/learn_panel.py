"""Finish an area, learn from it: what is right, what the model made of it, and what becomes of the taught model."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QCheckBox, QInputDialog, QPushButton, QVBoxLayout, QWidget

from ...tasks import objects_of
from ...viewer.adapt.finishing import KEYS, FinishedPart
from ...viewer.adapt.learning import BY_ITSELF_UP_TO_S, seconds_words
from ...viewer.controller import Controller
from ..base.forms import button_row, combo
from ..base.job_bar import JobBar
from ..base.section import Section
from ..base.style import PRIMARY_BUTTON, SPACING_PX, small_label
from ..correct.key_table import shown_key

_WORDS = {"rectangle": "Rectangle", "polygon": "Outline", "view": "In view", "reopen": "Reopen"}
_SCOPES = (("of the active layer only", False), ("of every kind", True))
_ARMED = "QPushButton:checked { background-color: #2d7dd2; color: white; }"


class LearnPanel(QWidget):
    """Hidden until there is a result layer.

    Parameters
    ----------
    controller : Controller
    """

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._controller = controller
        self._finishing, self._learning = controller.finishing, controller.learning
        self.scope = combo(_SCOPES)
        self.scope.setToolTip("What is right in the areas that you finish from now on")
        self.buttons = {name: self._button(name) for name in _WORDS}
        self.told = small_label()
        self.learn = QPushButton("Learn from this image")
        self.learn.setStyleSheet(PRIMARY_BUTTON)
        self.learn.setToolTip("The model learns from the finished areas and annotates anew what nobody touched.")
        self.by_itself = QCheckBox("By itself after each area")
        self.by_itself.setToolTip(
            f"Learn as soon as an area is finished, where it takes up to {BY_ITSELF_UP_TO_S:.0f} s"
        )
        self.by_itself.setChecked(self._learning.by_itself)
        self.job_bar = JobBar(self._learning.status, self._learning.status_changed, self._learning.cancel)
        self.next, self.keep = QPushButton("Use for next image"), QPushButton("Keep as …")
        self.next.setToolTip("Annotate with the taught model until napari is closed")
        self.keep.setToolTip("Add the taught model to the library; it is not promoted.")
        self._afterwards = button_row(self.next, self.keep)
        self._lay_out()
        self._connect()
        self._show()

    def _button(self, name: str) -> QPushButton:
        key, tip = KEYS[name]
        button = QPushButton(_WORDS[name])
        button.setToolTip(f"{tip}  Key: {shown_key(key)}")
        button.setCheckable(name in ("rectangle", "polygon"))
        button.setStyleSheet(_ARMED)
        button.clicked.connect(lambda: self._act(name))
        return button

    def _lay_out(self) -> None:
        content = QWidget()
        inner = QVBoxLayout(content)
        inner.setContentsMargins(2, 0, 0, 0)
        inner.setSpacing(SPACING_PX)
        for widget in (
            small_label("Finish an area: all in it is right, nothing is missing."),
            self.scope,
            button_row(*(self.buttons[name] for name in ("rectangle", "polygon"))),
            button_row(*(self.buttons[name] for name in ("view", "reopen"))),
            self.told,
            self.learn,
            self.by_itself,
            self.job_bar,
            self._afterwards,
        ):
            inner.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(Section("Correct a corner, get the rest", content))

    def _connect(self) -> None:
        learning, corrections = self._learning, self._controller.correct.corrections
        self.scope.currentIndexChanged.connect(self._choose_scope)
        self.learn.clicked.connect(learning.learn)
        self.by_itself.toggled.connect(self._choose_by_itself)
        self.next.clicked.connect(learning.use_next)
        self.keep.clicked.connect(self._ask_and_keep)
        self._finishing.drawing.armed_changed.connect(self._show_armed)
        self._finishing.changed.connect(self._show)
        learning.told_changed.connect(self._show)
        learning.status_changed.connect(self._show)
        corrections.active_changed.connect(self._show)

    def _act(self, name: str) -> None:
        self._finishing.actions[name]()
        self._show_armed(self._finishing.drawing.armed)

    def _choose_scope(self, index: int) -> None:
        self._finishing.every_task = bool(self.scope.itemData(index))

    def _choose_by_itself(self, wanted: bool) -> None:
        self._learning.by_itself = wanted
        self._controller.choose.learn_by_itself(wanted)

    def _ask_and_keep(self) -> None:
        name, said_yes = QInputDialog.getText(self, "Keep the taught model", "Its name in the library:")
        if said_yes and name.strip():
            self._learning.keep_as(name)

    # -- showing ---------------------------------------------------------------------------------

    def _show_armed(self, armed: str) -> None:
        for name, button in self.buttons.items():
            button.setChecked(name == armed)

    def _show(self, *_: Any) -> None:
        self.setVisible(self._controller.correct.corrections.active is not None)
        parts, seconds = self._finishing.parts(), self._learning.seconds
        self.told.setText(_finished_words(parts, seconds))
        self.learn.setEnabled(bool(parts) and not self._learning.busy)
        self.buttons["reopen"].setEnabled(bool(parts))
        self._afterwards.setVisible(self._learning.adapted is not None)


def _finished_words(parts: dict[str, FinishedPart], seconds: float | None) -> str:
    """ "Finished: 12 glands (25 % of the image). Learning takes about 12 s." """
    if not parts:
        return "No area is finished yet."
    found = [f"{objects_of(task, part.objects)} ({part.share:.0%} of the image)" for task, part in parts.items()]
    time = "" if seconds is None else f" Learning takes {seconds_words(seconds)}."
    return f"Finished: {', '.join(found)}.{time}"
