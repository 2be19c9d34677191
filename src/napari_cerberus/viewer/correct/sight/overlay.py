"""What we draw over the image: the object that is meant, decisions of the review, and the line that is being pulled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Vectors
from napari.utils.colormaps.standardize_color import transform_color

from ...layers import ViewerLayers
from ..tracked_layer import Point, TrackedLayer
from .camera import camera_of

OVERLAY_LAYER = "Cerberus marks"
_COLOUR, _ACCEPTED_COLOUR, _REJECTED_COLOUR = "#ffd23f", "#ffffff", "#ff2fd0"
_WIDTH_SCREEN_PX = 1.5
_MARGIN_PX = 3.0
_CORNER_SHARE = 0.25
Box = tuple[Point, Point]
_PLACE = ("scale", "translate", "rotate", "shear", "affine", "units")


class Overlay:
    """One helper layer, made when it is first needed and again if the user deletes it.

    Parameters
    ----------
    layers : ViewerLayers
    """

    def __init__(self, layers: ViewerLayers) -> None:
        self._layers = layers
        self._layer: Any = None
        self._box: list[Point] = []
        self._line: list[Point] = []
        self._corners: list[list[Point]] = []
        self._decided: dict[str, list[list[Point]]] = {}
        self._zoom = camera_of(layers.viewer).events.zoom
        self._zoom.connect(self._on_zoom)

    def box(self, one: TrackedLayer | None, index: int) -> None:
        """Draw a box around an object; none without one."""
        corners = one.box(index) if one is not None else None
        self._box = [] if corners is None else _around(corners)
        self._draw(one)

    def corners(self, one: TrackedLayer | None, index: int) -> None:
        """Draw the four corners of an object's box: it is under the pointer, and a key would hit it; none with 0."""
        corners = one.box(index) if one is not None and index else None
        self._corners = [] if corners is None else _only_corners(_around(corners))
        self._draw(one)

    def decided(self, one: TrackedLayer | None, accepted: Sequence[Box], rejected: Sequence[Box]) -> None:
        """Tick what was accepted, cross out what was rejected."""
        self._decided = {
            _ACCEPTED_COLOUR: [_tick(box) for box in accepted],
            _REJECTED_COLOUR: [stroke for box in rejected for stroke in _cross(box)],
        }
        self._draw(one)

    def line(self, one: TrackedLayer | None, points: Sequence[Point]) -> None:
        """Draw a line through ``points``; none without any."""
        self._line = list(points)
        self._draw(one)

    def nothing(self) -> None:
        """Draw nothing, and keep the layer: where two layers vanish between two drawings, vispy crashes in Mesa."""
        self._forget()
        self._draw(None)

    def clear(self) -> None:
        """Take the layer away."""
        layer, self._layer = self._layer, None
        self._forget()
        if layer is not None and layer in self._layers.viewer.layers:
            self._layers.viewer.layers.remove(layer)

    def close(self) -> None:
        """Take the layer away and let go of the camera. Safe to call twice."""
        self._zoom.disconnect(self._on_zoom)
        self.clear()

    def _forget(self) -> None:
        self._box, self._line, self._corners, self._decided = [], [], [], {}

    def _draw(self, one: TrackedLayer | None) -> None:
        ours = [_segments(path) for path in (self._box, self._line, *self._corners) if len(path) > 1]
        pieces = [(colour, _segments(path)) for colour, paths in self._decided.items() for path in paths]
        pieces += [(_COLOUR, piece) for piece in ours]
        if not pieces and self._layer is None:
            return
        if (layer := self._ready(one)) is None:
            return
        # an empty Vectors layer has no extent, which napari's view would follow; a vector of no length has
        layer.data = np.concatenate([piece for _, piece in pieces]) if pieces else np.zeros((1, 2, 2))
        colours = [_rgba(colour) for colour, piece in pieces for _ in piece]
        layer.edge_color = np.array(colours or [_rgba(_COLOUR)])

    def _on_zoom(self, event: Any = None) -> None:
        """Lines are as wide on the screen at any zoom."""
        if self._layer is not None and self._layer in self._layers.viewer.layers:
            keep_width(self._layer, self._layers.viewer)

    def _ready(self, one: TrackedLayer | None) -> Any:
        if self._layer is None or self._layer not in self._layers.viewer.layers:
            if one is None:
                return None
            self._layer = new_vectors(one, np.zeros((1, 2, 2)), name=OVERLAY_LAYER, edge_color=_COLOUR)
            self._layers.add_beside_the_point(self._layer)
        if one is not None:
            put_over(self._layer, one)
            keep_width(self._layer, self._layers.viewer)
        return self._layer


def new_vectors(one: TrackedLayer, segments: np.ndarray[Any, Any], **look: Any) -> Vectors:
    """A layer of lines over a result layer; ``look`` goes to napari."""
    # placed from the start: for a moment in other units, napari would warn of units that do not fit
    place = {name: getattr(one.layer, name) for name in _PLACE}
    place["affine"] = np.asarray(place["affine"].affine_matrix)
    return Vectors(segments, **{"vector_style": "line", "opacity": 1, **look, **place})


def put_over(lines: Vectors, one: TrackedLayer) -> None:
    """Place lines where a result layer lies."""
    for name in _PLACE:
        setattr(lines, name, getattr(one.layer, name))


def keep_width(lines: Vectors, viewer: Any) -> None:
    """Give lines their width on the screen, whatever the zoom."""
    zoom = float(camera_of(viewer).zoom)
    lines.edge_width = _WIDTH_SCREEN_PX / (zoom * float(np.mean(np.abs(lines.scale))))


def _around(corners: Box) -> list[Point]:
    (y0, x0), (y1, x1) = np.add(corners, [[-_MARGIN_PX], [_MARGIN_PX]])
    return [(y0, x0), (y0, x1), (y1, x1), (y1, x0), (y0, x0)]


def _only_corners(outline: Sequence[Point]) -> list[list[Point]]:
    """The four corners of a closed box, each as a path of two short sides."""
    points = np.asarray(outline[:-1], dtype=float)
    before, after = np.roll(points, 1, axis=0), np.roll(points, -1, axis=0)
    ends = [points + _CORNER_SHARE * (other - points) for other in (before, after)]
    paths = np.stack([ends[0], points, ends[1]], axis=1)
    return [[(float(y), float(x)) for y, x in path] for path in paths]


def _tick(box: Box) -> list[Point]:
    """A check mark in the middle of a box."""
    (y0, x0), (y1, x1) = box
    y, x, size = (y0 + y1) / 2, (x0 + x1) / 2, max(min(y1 - y0, x1 - x0) / 4, 1.0)
    return [(y, x - size), (y + size, x - size / 3), (y - size, x + size)]


def _cross(box: Box) -> list[list[Point]]:
    """The diagonals of a box."""
    (y0, x0), (y1, x1) = box
    return [[(y0, x0), (y1, x1)], [(y0, x1), (y1, x0)]]


def _rgba(colour: str) -> Any:
    return transform_color(colour)[0]


def _segments(path: Sequence[Point]) -> np.ndarray[Any, Any]:
    """Start and direction of each piece of a line, ``(n, 2, 2)``."""
    points = np.asarray(path, dtype=float)
    return np.stack([points[:-1], np.diff(points, axis=0)], axis=1)
