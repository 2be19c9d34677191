"""Parts of an image that are hidden: shapes in a layer of their own, right over what was annotated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Shapes
from psygnal import Signal

from ..layers import HIDDEN_LAYER, ViewerLayers
from ..soon import Soon

_DONE = ("added", "changed", "removed")
_FACE, _EDGE = "#b090b0", "#ffffff"


class HiddenParts:
    """Drawn by the user, or the outline of an object; napari's own tools move and remove them too.

    Attributes
    ----------
    changed : Signal
        Another part is hidden now; a moment after it was drawn.

    Parameters
    ----------
    layers : ViewerLayers
    """

    changed = Signal()

    def __init__(self, layers: ViewerLayers) -> None:
        self._layers = layers
        self._layer: Any | None = None
        self._before: Any | None = None
        self._soon = Soon(self._tell)
        self._removed = layers.viewer.layers.events.removed
        self._removed.connect(self._on_removed)

    def __len__(self) -> int:
        return 0 if self._layer is None else len(self._layer.data)

    def add(self, outlines: Sequence[np.ndarray[Any, Any]], where: dict[str, Any]) -> None:
        """Hide what lies in outlines, each (n, 2) of rows and columns; ``where`` is from ``placement``."""
        self._need(where).add(list(outlines), shape_type="polygon")

    def draw(self, where: dict[str, Any]) -> None:
        """Let the user pull a rectangle; afterwards the layer that was active is active again."""
        layer, active = self._need(where), self._layers.viewer.layers.selection.active
        self._before = active if active != layer else self._before
        self._layers.viewer.layers.selection.active = layer
        layer.mode = "add_rectangle"

    def undo(self) -> None:
        """Show again what was hidden last."""
        if self._layer is not None and len(self._layer.data):
            self._layer.selected_data = {len(self._layer.data) - 1}
            self._layer.remove_selected()

    def clear(self) -> None:
        """Hide nothing, and take the layer away."""
        if self._layer is not None:
            self._stop_drawing()
            self._layers.viewer.layers.remove(self._layer)

    def mask(self, shape: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which pixels of a part of ``shape`` are hidden."""
        if not len(self):
            return np.zeros(shape, bool)
        assert self._layer is not None
        return np.asarray(self._layer.to_labels(labels_shape=shape) > 0)

    def paint(self, colour: np.ndarray[Any, Any]) -> None:
        """Show the parts in the colour that stands in their place; (3,) uint8."""
        if len(self) and self._layer is not None:
            self._layer.face_color = np.tile([*(colour / 255), 1.0], (len(self), 1))

    def close(self) -> None:
        """Let go of the viewer. Safe to call twice."""
        self._soon.stop()
        self._removed.disconnect(self._on_removed)

    def _need(self, where: dict[str, Any]) -> Any:
        if self._layer is None:
            looks = {"face_color": _FACE, "edge_color": _EDGE, "edge_width": 1, "opacity": 1.0}
            layer = Shapes(name=HIDDEN_LAYER, ndim=2, **looks, **where)
            self._layers.add_beside_the_point(layer)
            layer.events.data.connect(self._on_data)
            self._layer = layer
        return self._layer

    def _on_data(self, event: Any) -> None:
        if str(getattr(event.action, "value", event.action)) in _DONE:
            self._soon.start()

    def _tell(self) -> None:
        self._stop_drawing()
        self.changed.emit()

    def _stop_drawing(self) -> None:
        before, self._before = self._before, None
        if self._layer is not None and self._layer.mode != "pan_zoom":
            self._layer.mode = "pan_zoom"
        if before is not None and before in self._layers.viewer.layers:
            self._layers.viewer.layers.selection.active = before

    def _on_removed(self, event: Any) -> None:
        if event.value == self._layer:  # one of the two may be a proxy
            self._layer.events.data.disconnect(self._on_data)
            self._layer = None
            self.changed.emit()
