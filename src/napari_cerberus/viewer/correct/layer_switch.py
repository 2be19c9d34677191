"""Which layer one works in: nuclei, glands or lumina of the annotation, by key and by button."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from psygnal import Signal

from ...tasks import INSTANCE_TASKS
from .tracked_layer import TrackedLayer
from .tracked_layers import Corrections

SWITCH_KEYS: Mapping[str, str] = {task: str(number) for number, task in enumerate(INSTANCE_TASKS, start=1)}
"""Task to the key that goes to its layer; with Shift the key hides the layer or shows it again."""


class LayerSwitch:
    """Goes to the layers of one annotation, and hides them.

    Attributes
    ----------
    changed : Signal
        Another layer is active, came or went, or was hidden or shown.

    Parameters
    ----------
    corrections : Corrections
    """

    changed = Signal()

    def __init__(self, corrections: Corrections) -> None:
        self._corrections = corrections
        for task, key in SWITCH_KEYS.items():
            corrections.bind(key, partial(self.go, task))
            corrections.bind(f"Shift-{key}", partial(self.toggle, task))
        corrections.active_changed.connect(self.changed.emit)
        corrections.attached.connect(self._on_attached)
        corrections.detached.connect(self._on_detached)
        for one in corrections:
            self._on_attached(one)

    def layers(self) -> dict[str, TrackedLayer]:
        """The layers of the annotation, by task."""
        active = self._corrections.active
        return {} if active is None else self._corrections.siblings(active)

    @property
    def active_task(self) -> str:
        """The task of the layer one works in; empty without one."""
        active = self._corrections.active
        return "" if active is None else active.task

    def go(self, task: str) -> None:
        """Work in the layer of a task; it is shown if it was hidden."""
        one = self.layers().get(task)
        if one is None:
            self._corrections.said.emit(f"There is no {task} layer here.", True)
            return
        one.layer.visible = True
        self._corrections.layers.viewer.layers.selection.active = one.layer

    def toggle(self, task: str) -> None:
        """Hide the layer of a task, or show it again."""
        if (one := self.layers().get(task)) is not None:
            one.layer.visible = not one.layer.visible

    def close(self) -> None:
        """Take our hands off the layers. Safe to call twice."""
        for one in self._corrections:
            self._on_detached(one)

    def _on_attached(self, one: TrackedLayer) -> None:
        one.layer.events.visible.connect(self._on_visible)
        self.changed.emit()

    def _on_detached(self, one: TrackedLayer) -> None:
        one.layer.events.visible.disconnect(self._on_visible)
        self.changed.emit()

    def _on_visible(self, event: object = None) -> None:
        self.changed.emit()
