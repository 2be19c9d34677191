"""The mouse on a result layer: a click chooses an object, and while a tool is armed it draws for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from psygnal import Signal

from ...annotation.edits import ChangeSet, object_at
from ...errors import CerberusError, EditError
from .camera import camera_of
from .overlay import Overlay
from .tools import TOOLS, Needs, Tool, merge
from .tracked_layer import Point, TrackedLayer
from .tracked_layers import Corrections

_CLICK_SCREEN_PX = 4.0
_CORNER_SCREEN_PX = 10.0
_PAN = "pan_zoom"
Work = Callable[[TrackedLayer], ChangeSet]


class MouseTools:
    """Mouse callbacks on every layer under correction.

    Attributes
    ----------
    armed_changed : Signal(str)
        Name of the tool that now waits for the mouse; empty if none.
    paused : bool
        Somebody else draws: clicks are theirs.

    Parameters
    ----------
    corrections : Corrections
    overlay : Overlay
        Shows the line that is being pulled.
    run : callable
        Makes one correction of the active layer and says what became of it.
    """

    armed_changed = Signal(str)

    def __init__(self, corrections: Corrections, overlay: Overlay, run: Callable[[Work, str], None]) -> None:
        self._corrections, self._overlay, self._run = corrections, overlay, run
        self._armed = ""
        self.paused = False
        self._layer: TrackedLayer | None = None
        self._points: list[Point] = []
        self._picked = 0
        corrections.attached.connect(self._on_attached)
        corrections.detached.connect(self._on_detached)
        corrections.active_changed.connect(self._on_active)
        for one in corrections:
            self._on_attached(one)

    @property
    def armed(self) -> Tool | None:
        """The tool that waits for the mouse."""
        return TOOLS.get(self._armed)

    def finish_or_arm(self, name: str) -> None:
        """Arm a tool; if it is armed, use it on the corners clicked so far, or put it away."""
        if self._armed != name:
            self._arm(name)
        elif len(self._points) > 2:
            self._complete()
        else:
            self.disarm()

    def disarm(self) -> None:
        """Put the armed tool away; the mouse moves the image again."""
        if not self._armed:
            return
        one, self._layer, self._armed = self._layer, None, ""
        self._forget()
        if one is not None and one.layer.mode == _PAN:
            one.layer.mouse_pan, one.layer.cursor = True, "standard"
        self.armed_changed.emit("")

    def close(self) -> None:
        """Take our hands off the layers."""
        self.disarm()
        for one in self._corrections:
            self._on_detached(one)

    # -- drawing ---------------------------------------------------------------------------------

    def _arm(self, name: str) -> None:
        self.disarm()
        try:
            one = self._corrections.need_active()
        except CerberusError as error:
            self._corrections.said.emit(str(error), True)
            return
        # a brush would paint under our line
        one.layer.mode = _PAN
        one.layer.mouse_pan, one.layer.cursor = False, "cross"
        self._layer, self._armed = one, name
        self.armed_changed.emit(name)
        self._corrections.said.emit(TOOLS[name].hint, False)

    def _on_drag(self, layer: Any, event: Any) -> Iterator[None]:
        """napari's mouse callback: one press, its moves, its release."""
        one = self._corrections.find(str(layer.unique_id))
        if one is None or layer.mode != _PAN or self.paused:
            return
        if one is not self._layer:
            yield from self._choose(one, event)
        elif event.button == 2:
            yield
            self._complete()
        elif event.button == 1:
            yield from self._pull(one, event)

    def _choose(self, one: TrackedLayer, event: Any) -> Iterator[None]:
        """A click without a drag chooses an object; a drag moves the image."""
        start, moved = event.pos, False
        point = one.to_data(event.position)
        yield
        while event.type == "mouse_move":
            moved |= _distance(event.pos, start) > _CLICK_SCREEN_PX
            yield
        if not moved and (index := object_under(one, point)):
            self._corrections.choose(one, index)

    def _pull(self, one: TrackedLayer, event: Any) -> Iterator[None]:
        start, point = event.pos, one.to_data(event.position)
        drawn = [point]
        yield
        while event.type == "mouse_move":
            if len(drawn) > 1 or _distance(event.pos, start) > _CLICK_SCREEN_PX:
                drawn.append(one.to_data(event.position))
                self._overlay.line(one, [*self._points, *drawn])
            yield
        if one is not self._layer:
            return  # put away, or the layer was removed, while the button was down
        if len(drawn) > 1 or _distance(event.pos, start) > _CLICK_SCREEN_PX:
            drawn.append(one.to_data(event.position))  # of quick moves napari reports only some
            self._points += drawn
            self._complete()
        else:
            self._corner(one, point)

    def _corner(self, one: TrackedLayer, point: Point) -> None:
        """A click while a tool is armed."""
        tool = self.armed
        if tool is None:
            return
        if tool.needs is Needs.OBJECTS:
            self._pick(one, point)
            return
        closes = len(self._points) > 2 and self._is_near(one, self._points[0], point)
        if not closes:
            self._points.append(point)
            self._overlay.line(one, self._points)
        enough = {Needs.CLICK: 1, Needs.LINE: 2}.get(tool.needs)
        if closes or len(self._points) == enough:
            self._complete()

    def _pick(self, one: TrackedLayer, point: Point) -> None:
        index = object_under(one, point)
        if not index:
            self._corrections.said.emit("There is no object here; click on one.", True)
        elif not self._picked:
            self._picked = index
            self._corrections.choose(one, index)
            self._corrections.said.emit(f"Merge object {index} with which one? Click it.", False)
        else:
            first, self._picked = self._picked, 0
            self._run(lambda active: merge(active, (first, index)), "merge")

    def _complete(self) -> None:
        """Use the armed tool on what was drawn; it stays armed."""
        name, tool, points = self._armed, self.armed, tuple(self._points)
        self._forget()
        if tool is None or tool.on_points is None or not points:
            return
        on_points = tool.on_points
        self._run(lambda one: on_points(one, points), name)

    def _forget(self) -> None:
        self._points, self._picked = [], 0
        self._overlay.line(self._layer, ())

    def _is_near(self, one: TrackedLayer, first: Point, second: Point) -> bool:
        zoom = float(camera_of(self._corrections.layers.viewer).zoom)
        return _distance(first, second) * float(np.mean(one.layer.scale)) * zoom < _CORNER_SCREEN_PX

    # -- listening -------------------------------------------------------------------------------

    def _on_attached(self, one: TrackedLayer) -> None:
        one.layer.mouse_drag_callbacks.append(self._on_drag)
        one.layer.events.mode.connect(self._on_mode)

    def _on_detached(self, one: TrackedLayer) -> None:
        if one is self._layer:
            self.disarm()
        if self._on_drag in one.layer.mouse_drag_callbacks:
            one.layer.mouse_drag_callbacks.remove(self._on_drag)
            one.layer.events.mode.disconnect(self._on_mode)

    def _on_mode(self, event: Any) -> None:
        if self._layer is not None and self._layer.layer.mode != _PAN:
            self.disarm()

    def _on_active(self) -> None:
        if self._layer is not None and self._corrections.active is not self._layer:
            self.disarm()


def object_under(one: TrackedLayer, point: Point) -> int:
    """The object at a point of the layer; 0 on background and outside the image."""
    try:
        return object_at(one.tracked.labels, point)
    except EditError:
        return 0


def _distance(first: Sequence[float], second: Sequence[float]) -> float:
    return float(np.hypot(first[0] - second[0], first[1] - second[1]))
