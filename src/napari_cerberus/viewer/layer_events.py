"""Listens to the layer list of a viewer and says what matters to us; keeps every connection and can undo them all."""

from __future__ import annotations

from typing import Any

from napari.layers import Image
from psygnal import Signal

_CONTENT_EVENTS = ("data", "scale", "units", "rotate", "shear", "affine")


class LayerWatch:
    """Signals about the images of a viewer.

    Attributes
    ----------
    images_changed : Signal
        The list of images, or a name in it, is another.
    image_removed, image_altered : Signal(str)
        ``unique_id`` of an image that is gone, or whose pixels, scale or units were changed.
    active_changed : Signal(object)
        The layer that became active.

    Parameters
    ----------
    viewer : napari.Viewer, its public proxy, or napari.components.ViewerModel
    """

    images_changed = Signal()
    image_removed = Signal(str)
    image_altered = Signal(str)
    active_changed = Signal(object)

    def __init__(self, viewer: Any) -> None:
        self._of_list: list[tuple[Any, Any]] = []
        self._of_layer: dict[str, list[tuple[Any, Any]]] = {}
        events = viewer.layers.events
        self._listen(events.inserted, self._on_inserted)
        self._listen(events.removed, self._on_removed)
        self._listen(events.reordered, self._on_list_changed)
        self._listen(viewer.layers.selection.events.active, self._on_active)
        for layer in viewer.layers:
            self._watch(layer)

    def close(self) -> None:
        """Undo every connection. Safe to call twice."""
        connections = [*self._of_list, *(pair for pairs in self._of_layer.values() for pair in pairs)]
        self._of_list, self._of_layer = [], {}
        for emitter, callback in connections:
            emitter.disconnect(callback)

    def _listen(self, emitter: Any, callback: Any) -> None:
        emitter.connect(callback)
        self._of_list.append((emitter, callback))

    def _watch(self, layer: Any) -> None:
        if not isinstance(layer, Image):
            return
        pairs = [(getattr(layer.events, name), self._on_altered) for name in _CONTENT_EVENTS]
        pairs.append((layer.events.name, self._on_list_changed))
        for emitter, callback in pairs:
            emitter.connect(callback)
        self._of_layer[str(layer.unique_id)] = pairs

    def _on_inserted(self, event: Any) -> None:
        self._watch(event.value)
        if isinstance(event.value, Image):
            self.images_changed.emit()

    def _on_removed(self, event: Any) -> None:
        unique_id = str(event.value.unique_id)
        if (pairs := self._of_layer.pop(unique_id, None)) is None:
            return
        for emitter, callback in pairs:
            emitter.disconnect(callback)
        self.images_changed.emit()
        self.image_removed.emit(unique_id)

    def _on_list_changed(self, event: Any) -> None:
        self.images_changed.emit()

    def _on_altered(self, event: Any) -> None:
        self.image_altered.emit(str(event.source.unique_id))

    def _on_active(self, event: Any) -> None:
        if event.value is not None:
            self.active_changed.emit(event.value)
