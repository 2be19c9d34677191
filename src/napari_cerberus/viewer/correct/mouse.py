"""The mouse on a result layer: a click chooses an object, and while a tool is armed it draws for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from psygnal import Signal

from ...annotation.edits import ChangeSet
from ...errors import CerberusError
from .sight.aim import object_under
from .sight.camera import camera_of
from .sight.overlay import Overlay
from .tools import TOOLS, Needs, Tool, merge
from .tracked_layer import Point, TrackedLayer
from .tracked_layers import Corrections

PAN = "pan_zoom"
CLICK_SCREEN_PX = 4.0
"""A press that moves no farther is a click."""
_CORNER_SCREEN_PX = 10.0
Work = Callable[[TrackedLayer], ChangeSet]


class LayerDrawing(ABC):
    """What draws on layers under correction: it hears of layers that come and go, and holds one while it is armed.

    Parameters
    ----------
    corrections : Corrections
    overlay : Overlay
        Shows the line that is being pulled.
    """

    def __init__(self, corrections: Corrections, overlay: Overlay) -> None:
        self._corrections, self._overlay = corrections, overlay
        self._layer: TrackedLayer | None = None
        self._points: list[Point] = []
        corrections.attached.connect(self._on_attached)
        corrections.detached.connect(self._on_detached)
        corrections.active_changed.connect(self._on_active)
        for one in corrections:
            self._on_attached(one)

    @abstractmethod
    def disarm(self) -> None:
        """Put away what is armed; the mouse moves the image again."""

    def close(self) -> None:
        """Take our hands off the layers."""
        self.disarm()
        for one in self._corrections:
            self._on_detached(one)

    @abstractmethod
    def _on_drag(self, layer: Any, event: Any) -> Iterator[None]:
        """napari's mouse callback: one press, its moves, its release."""

    def _take_mouse(self) -> TrackedLayer | None:
        """The active layer, which no longer moves the image; a problem is said, and None."""
        try:
            one = self._corrections.need_active()
        except CerberusError as error:
            self._corrections.said.emit(str(error), True)
            return None
        one.layer.mode = PAN  # a brush would paint under our line
        one.layer.mouse_pan, one.layer.cursor = False, "cross"
        return one

    def _give_mouse_back(self, one: TrackedLayer | None) -> None:
        if one is not None and one.layer.mode == PAN:
            one.layer.mouse_pan, one.layer.cursor = True, "standard"

    def _is_near(self, one: TrackedLayer, first: Point, second: Point) -> bool:
        zoom = float(camera_of(self._corrections.layers.viewer).zoom)
        return distance(first, second) * float(np.mean(one.layer.scale)) * zoom < _CORNER_SCREEN_PX

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
        if self._layer is not None and self._layer.layer.mode != PAN:
            self.disarm()

    def _on_active(self) -> None:
        if self._layer is not None and self._corrections.active is not self._layer:
            self.disarm()


class MouseTools(LayerDrawing):
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
        super().__init__(corrections, overlay)
        self._run = run
        self._armed = ""
        self.paused = False
        self._picked = 0

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
        self._give_mouse_back(one)
        self.armed_changed.emit("")

    # -- drawing ---------------------------------------------------------------------------------

    def _arm(self, name: str) -> None:
        self.disarm()
        if (one := self._take_mouse()) is None:
            return
        self._layer, self._armed = one, name
        self.armed_changed.emit(name)
        self._corrections.said.emit(TOOLS[name].hint, False)

    def _on_drag(self, layer: Any, event: Any) -> Iterator[None]:
        """napari's mouse callback: one press, its moves, its release."""
        one = self._corrections.find(str(layer.unique_id))
        if one is None or layer.mode != PAN or self.paused:
            return
        if one is not self._layer:
            yield from self._choose(one, event)
        elif event.button == 2:
            yield
            self._complete()
        elif event.button == 1:
            yield from self._pull(one, event)

    def _choose(self, one: TrackedLayer, event: Any) -> Iterator[None]:
        """A click without a drag chooses an object, or on background none; a drag moves the image."""
        start, moved = event.pos, False
        point = one.to_data(event.position)
        yield
        while event.type == "mouse_move":
            moved |= distance(event.pos, start) > CLICK_SCREEN_PX
            yield
        if not moved:
            self._corrections.choose(one, object_under(one, point))

    def _pull(self, one: TrackedLayer, event: Any) -> Iterator[None]:
        start, point = event.pos, one.to_data(event.position)
        drawn = [point]
        yield
        while event.type == "mouse_move":
            if len(drawn) > 1 or distance(event.pos, start) > CLICK_SCREEN_PX:
                drawn.append(one.to_data(event.position))
                self._overlay.line(one, [*self._points, *drawn])
            yield
        if one is not self._layer:
            return  # put away, or the layer was removed, while the button was down
        if len(drawn) > 1 or distance(event.pos, start) > CLICK_SCREEN_PX:
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


def distance(first: Sequence[float], second: Sequence[float]) -> float:
    return float(np.hypot(first[0] - second[0], first[1] - second[1]))
