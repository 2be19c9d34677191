"""What a key will hit: the chosen object, else the one under the pointer; and it is marked before it is hit."""

from __future__ import annotations

from typing import Any

from ....annotation.edits import object_at
from ....errors import EditError
from ..tracked_layer import Point, TrackedLayer
from ..tracked_layers import Corrections
from .camera import sees
from .overlay import Overlay

NOTHING_MEANT = "Choose an object first: click it, or point at it and press the key."
_HIDDEN = "“{}” is hidden; show it first, so that you see what you change."


class Aim:
    """One rule for every key and for the review's buttons.

    A chosen object that is out of sight is not meant. An object under the pointer is marked with corners as long as
    none is chosen; a click on background chooses none.

    Parameters
    ----------
    corrections : Corrections
    overlay : Overlay
    """

    def __init__(self, corrections: Corrections, overlay: Overlay) -> None:
        self._corrections, self._overlay = corrections, overlay
        self._viewer = corrections.layers.viewer
        self._away = not self._viewer.mouse_over_canvas
        self._shown: tuple[str, int] = ("", 0)
        corrections.attached.connect(self._on_attached)
        corrections.detached.connect(self._on_detached)
        corrections.active_changed.connect(self.show)
        corrections.changed.connect(self._on_changed)
        self._pair = (self._viewer.events.mouse_over_canvas, self._on_canvas)
        self._pair[0].connect(self._pair[1])
        for one in corrections:
            self._on_attached(one)

    def target(self, one: TrackedLayer) -> int:
        """The object of a layer that is meant.

        Raises
        ------
        EditError
            If none is, or the layer is hidden.
        """
        if not one.layer.visible:
            raise EditError(_HIDDEN.format(one.layer.name))
        if index := self._meant(one):
            return index
        raise EditError(NOTHING_MEANT)

    def show(self) -> None:
        """Mark the object under the pointer, if a key would hit it."""
        one = self._corrections.active
        index = 0 if one is None or not one.layer.visible or self._chosen(one) else self._under_pointer(one)
        self._mark(one, index)

    def close(self) -> None:
        """Take our hands off viewer and layers. Safe to call twice."""
        self._pair[0].disconnect(self._pair[1])
        for one in self._corrections:
            self._on_detached(one)

    def _meant(self, one: TrackedLayer) -> int:
        return self._chosen(one) or self._under_pointer(one)

    def _chosen(self, one: TrackedLayer) -> int:
        return one.selected if one.selected and sees(self._viewer, one, one.selected) else 0

    def _under_pointer(self, one: TrackedLayer) -> int:
        return 0 if self._away else object_under(one, one.to_data(self._viewer.cursor.position))

    def _mark(self, one: TrackedLayer | None, index: int) -> None:
        shown = ("", 0) if one is None else (one.key, index)
        if shown != self._shown:
            self._shown = shown
            self._overlay.corners(one, index)

    def _on_move(self, layer: Any, event: Any) -> None:
        one = self._corrections.active
        if one is not None and one.layer.unique_id == layer.unique_id:
            self._away = False
            self.show()

    def _on_canvas(self, event: Any) -> None:
        self._away = not self._viewer.mouse_over_canvas
        self.show()

    def _on_changed(self, *_: Any) -> None:
        self._shown = ("", -1)
        self.show()

    def _on_attached(self, one: TrackedLayer) -> None:
        one.layer.mouse_move_callbacks.append(self._on_move)

    def _on_detached(self, one: TrackedLayer) -> None:
        if self._on_move in one.layer.mouse_move_callbacks:
            one.layer.mouse_move_callbacks.remove(self._on_move)


def object_under(one: TrackedLayer, point: Point) -> int:
    """The object at a point of the layer; 0 on background and outside the image."""
    try:
        return object_at(one.tracked.labels, point)
    except EditError:
        return 0
