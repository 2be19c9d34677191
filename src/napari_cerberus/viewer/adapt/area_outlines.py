"""The outlines of the finished areas: quiet, and as thin at every zoom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...annotation.finished_areas import FinishedArea
from ..correct.sight.camera import camera_of
from ..correct.sight.overlay import keep_width, new_vectors, put_over
from ..correct.tracked_layer import TrackedLayer
from ..layers import ViewerLayers

OUTLINES_LAYER = "Cerberus finished areas"
_COLOUR = "#8ecae6"


class AreaOutlines:
    """One helper layer, made when there is something to show and again if the user deletes it.

    Parameters
    ----------
    layers : ViewerLayers
    """

    def __init__(self, layers: ViewerLayers) -> None:
        self._layers = layers
        self._layer: Any = None
        self._zoom = camera_of(layers.viewer).events.zoom
        self._zoom.connect(self._on_zoom)

    def show(self, one: TrackedLayer | None, areas: Sequence[FinishedArea]) -> None:
        """Draw the areas of a layer's annotation; without any the layer is taken away."""
        if one is None or not areas:
            self._remove()
            return
        segments = np.concatenate([_segments(area) for area in areas])
        if not self._there:
            look = {"name": OUTLINES_LAYER, "edge_color": _COLOUR, "opacity": 0.8}
            self._layer = new_vectors(one, segments, **look)
            self._layers.add_beside_the_point(self._layer)
        else:
            put_over(self._layer, one)
            self._layer.data = segments
        self._on_zoom()

    def close(self) -> None:
        """Let go of camera and layer. Safe to call twice."""
        zoom, self._zoom = self._zoom, None
        if zoom is not None:
            zoom.disconnect(self._on_zoom)
        self._remove()

    @property
    def _there(self) -> bool:
        return self._layer is not None and self._layer in self._layers.viewer.layers

    def _on_zoom(self, event: Any = None) -> None:
        if self._there:
            keep_width(self._layer, self._layers.viewer)

    def _remove(self) -> None:
        if self._there:
            active = self._layers.viewer.layers.selection.active
            self._layers.viewer.layers.remove(self._layer)
            if active is not None and active in self._layers.viewer.layers:
                self._layers.viewer.layers.selection.active = active
        self._layer = None


def _segments(area: FinishedArea) -> np.ndarray[Any, Any]:
    """Start and direction of each side, ``(n, 2, 2)``."""
    corners = np.asarray(area.corners, dtype=float)
    return np.stack([corners, np.roll(corners, -1, axis=0) - corners], axis=1)
