"""What we draw over the image: a box around the chosen object, and the line that is being pulled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Vectors

from ..layers import ViewerLayers
from .camera import camera_of
from .tracked_layer import Point, TrackedLayer

OVERLAY_LAYER = "Cerberus marks"
_COLOUR = "#ffd23f"
_WIDTH_SCREEN_PX = 2.0
_MARGIN_PX = 3.0
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

    def box(self, one: TrackedLayer | None, index: int) -> None:
        """Draw a box around an object; none without one."""
        corners = one.box(index) if one is not None else None
        self._box = []
        if corners is not None:
            (y0, x0), (y1, x1) = np.add(corners, [[-_MARGIN_PX], [_MARGIN_PX]])
            self._box = [(y0, x0), (y0, x1), (y1, x1), (y1, x0), (y0, x0)]
        self._draw(one)

    def line(self, one: TrackedLayer | None, points: Sequence[Point]) -> None:
        """Draw a line through ``points``; none without any."""
        self._line = list(points)
        self._draw(one)

    def clear(self) -> None:
        """Take the layer away."""
        layer, self._layer = self._layer, None
        self._box, self._line = [], []
        if layer is not None and layer in self._layers.viewer.layers:
            self._layers.viewer.layers.remove(layer)

    def _draw(self, one: TrackedLayer | None) -> None:
        segments = [_segments(path) for path in (self._box, self._line) if len(path) > 1]
        if not segments and self._layer is None:
            return
        if (layer := self._ready(one)) is None:
            return
        # an empty Vectors layer has no extent, which napari's view would follow; a vector of no length has
        layer.data = np.concatenate(segments) if segments else np.zeros((1, 2, 2))

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


def _segments(path: Sequence[Point]) -> np.ndarray[Any, Any]:
    """Start and direction of each piece of a line, ``(n, 2, 2)``."""
    points = np.asarray(path, dtype=float)
    return np.stack([points[:-1], np.diff(points, axis=0)], axis=1)
