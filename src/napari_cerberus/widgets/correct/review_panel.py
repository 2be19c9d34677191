"""The review queue: how far it has come, what is looked at and why, and the decisions."""

from __future__ import annotations

from functools import partial
from typing import Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...annotation.object_columns import SKIPPED, UNREVIEWED
from ...annotation.review.findings import RULES
from ...annotation.review.queue import ReviewFilter
from ...tasks import singular
from ...viewer.controller import Controller
from ...viewer.correct.review_session import KEYS
from ..base.section import Section
from ..base.style import PROGRESS_BAR, SPACING_PX, Banner, guard_wheel, small_label
from .effort_dialog import EffortDialog
from .key_table import shown_key
from .window_keys import give_focus_back

_WORDS = {"previous": "◂", "accept": "Accept", "reject": "Reject", "skip": "Skip", "next": "▸"}
_ALL = {"tasks": "all kinds", "classes": "all classes", "rules": "all reasons"}
_TIPS = {
    "tasks": "Review only nuclei, glands or lumina.",
    "classes": "Review only objects of one class.",
    "rules": "Review only objects with one reason to look.",
}
_OPEN = "to review"
_EVERY_STATE = "all states"
_SOON_MS = 60
"""The queue of thousands of objects is sorted after the correction is on the screen, not before."""


class ReviewPanel(QWidget):
    """Hidden until there is something to review.

    Parameters
    ----------
    controller : Controller
    """

    def __init__(self, controller: Controller, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._review = controller.correct.review
        self.count = small_label()
        self.bar = QProgressBar()
        self.reason = Banner()
        self.why = small_label()
        self.filters = {name: QComboBox() for name in _ALL}
        self.states = QComboBox()
        self.order = QComboBox()
        self.again = QPushButton("Look again")
        self.name = QLineEdit(controller.session.reviewer)
        self.effort = QPushButton("Effort …")
        self._controller = controller
        self.buttons = {name: self._button(name) for name in _WORDS}
        self._timer = QTimer(self)
        self._set_up()
        self._lay_out()
        self._review.changed.connect(lambda: self._timer.start())
        self._timer.timeout.connect(self.show_review)
        self.show_review()

    def show_review(self) -> None:
        """Show where the review stands."""
        objects = self._review.objects()
        self.setVisible(len(objects) > 0)
        if not len(objects):
            return
        counted = self._review.counted()
        self.count.setText(str(counted))
        self.bar.setRange(0, max(counted.total, 1))
        self.bar.setValue(counted.reviewed)
        self._fill("tasks", sorted(set(objects["task"])))
        self._fill("classes", sorted(set(objects["class"]) - {""}))
        self._fill("rules", [rule for rule in RULES if objects["rules"].str.contains(rule, regex=False).any()])
        reason, current = self._review.reason(), self._review.current
        if current is not None and reason:
            name = f"{singular(current[0])} {current[1]}"
            said = reason if reason.lower().startswith(name) else f"{name}: {reason}"
            self.reason.say(f"{said[:1].upper()}{said[1:]}")
        else:
            self.reason.say("Press “.” or ▸ for the object that most needs a look.")
        why = self._review.why()
        self.why.setText(why)
        self.why.setVisible(bool(why))

    def _button(self, name: str) -> QPushButton:
        button = QPushButton(_WORDS[name])
        key, tip = KEYS[name]
        button.setToolTip(f"{tip}.  Key: {shown_key(key)}")
        button.clicked.connect(partial(self._call, name))
        return button

    def _call(self, name: str, _checked: bool = False) -> None:
        getattr(self._review, name)()

    def _set_up(self) -> None:
        self.bar.setTextVisible(False)
        self.bar.setStyleSheet(PROGRESS_BAR)
        self.again.setToolTip("Look for reasons again, after corrections")
        self.again.clicked.connect(lambda: self._review.look_for_reasons())
        self.name.setPlaceholderText("your name")
        self.name.setToolTip("Written beside every object that you correct or review; asked once")
        self.name.editingFinished.connect(lambda: self._controller.choose.reviewer(self.name.text()))
        self.effort.setToolTip("Time, edits and changed pixels for each model so far")
        self.effort.clicked.connect(lambda: EffortDialog(self._controller.correct.effort(), self).show())
        for name, tip in _TIPS.items():
            self.filters[name].setToolTip(tip)
        self.states.setToolTip("Review all objects, or only those without a decision.")
        self.states.addItems([_EVERY_STATE, _OPEN])
        self.order.addItem("▸ the most doubtful", False)
        self.order.addItem("▸ the nearest from here", True)
        self.order.setToolTip("Where “.” goes: to the object that most needs a look, or to the next one beside this")
        self.order.activated.connect(self._set_order)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_SOON_MS)
        fields = [*self.filters.values(), self.states]
        for field in fields:
            field.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            field.setMinimumContentsLength(6)
            field.activated.connect(self._filter)
        guard_wheel(*fields, self.order)
        give_focus_back(*fields, self.order, self.name)

    def _set_order(self, *_: Any) -> None:
        self._review.from_here = bool(self.order.currentData())

    def _filter(self, *_: Any) -> None:
        chosen = {name: (field.currentData(),) if field.currentData() else () for name, field in self.filters.items()}
        states = (UNREVIEWED, SKIPPED) if self.states.currentText() == _OPEN else ()
        self._review.filter(ReviewFilter(**chosen, states=states))

    def _fill(self, name: str, values: list[str]) -> None:
        """List the values there are; a chosen one stays chosen."""
        field = self.filters[name]
        if field.count() and [field.itemData(row) for row in range(1, field.count())] == values:
            return
        chosen = field.currentData()
        field.clear()
        field.addItem(_ALL[name], "")
        for value in values:
            field.addItem(value, value)
        field.setCurrentIndex(max(field.findData(chosen), 0))
        field.setEnabled(bool(values))

    def _lay_out(self) -> None:
        progress = QHBoxLayout()
        progress.addWidget(self.bar, 1)
        progress.addWidget(self.count)
        self.count.setWordWrap(False)
        grid = QGridLayout()
        grid.setSpacing(SPACING_PX // 2)
        for place, field in enumerate((*self.filters.values(), self.states)):
            grid.addWidget(field, *divmod(place, 2))
        steps = QHBoxLayout()
        steps.setSpacing(SPACING_PX // 2)
        for name, button in self.buttons.items():
            steps.addWidget(button, 0 if len(_WORDS[name]) == 1 else 1)
        last = QHBoxLayout()
        last.setSpacing(SPACING_PX // 2)
        for widget in (self.again, self.name, self.effort):
            last.addWidget(widget, int(widget is self.name))
        content = QWidget()
        inner = QVBoxLayout(content)
        inner.setContentsMargins(2, 0, 0, 0)
        inner.setSpacing(SPACING_PX)
        inner.addLayout(progress)
        inner.addLayout(steps)
        inner.addWidget(self.reason)
        inner.addWidget(self.why)
        inner.addLayout(grid)
        inner.addWidget(self.order)
        inner.addLayout(last)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(Section("Review", content))
