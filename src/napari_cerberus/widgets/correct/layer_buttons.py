"""Nuclei, glands or lumina: which layer one works in, and which are hidden."""

from __future__ import annotations

from functools import partial

from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from ...tasks import INSTANCE_TASKS
from ...viewer.colours import task_colour
from ...viewer.correct.layer_switch import SWITCH_KEYS, LayerSwitch
from ...viewer.session import Session

_LOOK = """
QPushButton {{ border-bottom: 3px solid {colour}; padding: 4px; }}
QPushButton:checked {{ font-weight: 700; background-color: rgba(128, 128, 128, 110); }}
QPushButton:focus {{ border: 2px solid #e8730c; border-bottom: 3px solid {colour}; }}
"""


class LayerButtons(QWidget):
    """A button for each layer of an annotation; the one in use is pressed.

    Parameters
    ----------
    switch : LayerSwitch
    session : Session
        Knows the colours.
    """

    def __init__(self, switch: LayerSwitch, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._switch, self._session = switch, session
        self.buttons = {task: self._button(task) for task in INSTANCE_TASKS}
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for button in self.buttons.values():
            layout.addWidget(button, 1)
        switch.changed.connect(self.show_layers)
        session.events.task_colours.connect(self.show_layers)
        self.show_layers()

    def show_layers(self) -> None:
        """Show which layer is in use and which are hidden."""
        layers, active = self._switch.layers(), self._switch.active_task
        for task, button in self.buttons.items():
            one = layers.get(task)
            hidden = one is not None and not one.layer.visible
            button.setEnabled(one is not None)
            button.setChecked(task == active)
            button.setText(f"{SWITCH_KEYS[task]} {task.capitalize()}{' (hidden)' if hidden else ''}")
            button.setStyleSheet(_LOOK.format(colour=task_colour(task, self._session.task_colours)))

    def _button(self, task: str) -> QPushButton:
        key = SWITCH_KEYS[task]
        button = QPushButton()
        button.setCheckable(True)
        button.setToolTip(f"Work on {task}  Key: {key}. Shift+{key} hides them or shows them again.")
        button.clicked.connect(partial(self._go, task))
        return button

    def _go(self, task: str, _checked: bool = False) -> None:
        self._switch.go(task)
        self.show_layers()
