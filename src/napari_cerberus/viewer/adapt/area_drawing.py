"""The mouse while an area is being marked as finished: a rectangle is pulled, a polygon clicked or pulled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from psygnal import Signal

from ..correct.mouse import CLICK_SCREEN_PX, PAN, LayerDrawing, MouseTools, distance
from ..correct.sight.overlay import Overlay
from ..correct.tracked_layer import Point, TrackedLayer
from ..correct.tracked_layers import Corrections

RECTANGLE, POLYGON = "rectangle", "polygon"
_HINTS = {
    RECTANGLE: "Pull a rectangle around what is right.",
    POLYGON: "Pull an outline, or click its corners and right-click to close it.",
}
_LEAST_CORNERS = 3


class AreaDrawing(LayerDrawing):
    """Mouse callbacks on every layer under correction; the correction tools rest meanwhile.

    Attributes
    ----------
    armed_changed : Signal(str)
        The shape that now waits for the mouse; empty if none.

    Parameters
    ----------
    corrections : Corrections
    overlay : Overlay
        Shows the line that is being pulled.
    tools : MouseTools
    done : callable
        Takes the layer, the shape, and the corners in pixels of the layer.
    """

    armed_changed = Signal(str)

    def __init__(
        self,
        corrections: Corrections,
        overlay: Overlay,
        tools: MouseTools,
        done: Callable[[TrackedLayer, str, Sequence[Point]], None],
    ) -> None:
        super().__init__(corrections, overlay)
        self._tools, self._done = tools, done
        self.armed = ""
        tools.armed_changed.connect(self._on_tool)

    def finish_or_arm(self, shape: str) -> None:
        """Wait for a shape; if it is waited for, close the corners clicked so far, or put it away."""
        if self.armed != shape:
            self._arm(shape)
        elif len(self._points) >= _LEAST_CORNERS:
            self._complete(self._points)
        else:
            self.disarm()

    def disarm(self) -> None:
        """Put it away; the mouse moves the image again."""
        one, self._layer = self._layer, None
        if not self.armed:
            return
        self.armed, self._tools.paused = "", False
        self._forget(one)
        self._give_mouse_back(one)
        self.armed_changed.emit("")

    def _arm(self, shape: str) -> None:
        self.disarm()
        self._tools.disarm()
        if (one := self._take_mouse()) is None:
            return
        self._layer, self.armed, self._tools.paused = one, shape, True
        self.armed_changed.emit(shape)
        self._corrections.said.emit(_HINTS[shape], False)

    # -- drawing ---------------------------------------------------------------------------------

    def _on_drag(self, layer: Any, event: Any) -> Iterator[None]:
        """napari's mouse callback: one press, its moves, its release."""
        one = self._layer
        if one is None or layer.unique_id != one.layer.unique_id or layer.mode != PAN:
            return
        if event.button == 2:
            yield
            self._complete(self._points)
        elif event.button == 1:
            yield from self._pull(one, event)

    def _pull(self, one: TrackedLayer, event: Any) -> Iterator[None]:
        start, drawn = event.pos, [one.to_data(event.position)]
        yield
        while event.type == "mouse_move":
            drawn.append(one.to_data(event.position))
            self._overlay.line(one, self._shown(drawn))
            yield
        if one is not self._layer:
            return  # put away while the button was down
        drawn.append(one.to_data(event.position))  # of quick moves napari reports only some
        if distance(event.pos, start) > CLICK_SCREEN_PX or len(drawn) > _LEAST_CORNERS:
            self._complete(self._shown(drawn))
        else:
            self._corner(one, drawn[0])

    def _shown(self, drawn: Sequence[Point]) -> list[Point]:
        if self.armed == RECTANGLE:
            (y0, x0), (y1, x1) = drawn[0], drawn[-1]
            return [(y0, x0), (y0, x1), (y1, x1), (y1, x0), (y0, x0)]
        return [*self._points, *drawn]

    def _corner(self, one: TrackedLayer, point: Point) -> None:
        """A click."""
        if self.armed == RECTANGLE:
            self._forget(one)
            self._corrections.said.emit(_HINTS[RECTANGLE], True)
        elif len(self._points) >= _LEAST_CORNERS and self._is_near(one, self._points[0], point):
            self._complete(self._points)
        else:
            self._points.append(point)
            self._overlay.line(one, self._points)

    def _complete(self, points: Sequence[Point]) -> None:
        """Hand over what was drawn, and put the mouse away."""
        one, shape, corners = self._layer, self.armed, list(points)
        self.disarm()
        if one is not None and len(corners) >= _LEAST_CORNERS:
            self._done(one, shape, corners)

    def _forget(self, one: TrackedLayer | None) -> None:
        self._points = []
        self._overlay.line(one, ())

    # -- listening -------------------------------------------------------------------------------

    def _on_tool(self, name: str) -> None:
        if name:
            self.disarm()
