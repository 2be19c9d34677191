"""Every result layer of a viewer under correction: which one is meant, what changed in it, and one place to write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from napari.layers import Labels
from psygnal import Signal

from ...annotation.edits import ChangeSet, ProbabilityMap
from ...annotation.merge import MergeResult
from ...errors import CerberusError, EditError
from ...tasks import INSTANCE_TASKS
from ..annotate.annotation_result import Answer
from ..layer_provenance import LayerRecord, record_of
from ..layers import ViewerLayers
from ..session import Session
from .tracked_layer import TrackedLayer
from .undo import Run, probability_map

NO_LAYER = "Annotate an image first, or choose one of its result layers."
_LATER = "The new result went into all layers at once; first take back what was done since in {}."
_CHANGED = "The new result cannot be made again: {} was changed since it was taken back."
_TOO_FAR = "The new result cannot be taken back any more: in {} too much was done since."
_OF_ANY_RUN = ("model_name", "model_sha256", "device", "precision", "sensitivity", "flips", "made_at")
_OF_THE_RUN = (*_OF_ANY_RUN, "tissue", "tissue_doubt")
UNDO_KEY, REDO_KEY = "Control-Z", "Control-Shift-Z"


class Corrections:
    """The layers that can be corrected.

    Attributes
    ----------
    changed : Signal(TrackedLayer, ChangeSet, str)
        Pixels or table of a layer changed, by whatever hand; the last is the tool's name, as the journal keeps it.
    attached, detached : Signal(TrackedLayer)
    merged : Signal(TrackedLayer, ChangeSet)
        A re-run went into a layer, or out of it; ``changed`` follows, with an empty change set.
    run_walked : Signal(Run, str)
        A re-run was taken back ("undo") or made again ("redo"), in all its layers.
    said : Signal(str, bool)
        A sentence for the user, and whether it tells of a problem.
    active_changed : Signal
        Another layer, or another object of it, is meant.
    edited_externally : Signal
        A layer was painted on or undone: call ``sync`` soon.

    Parameters
    ----------
    layers : ViewerLayers
    session : Session
        Knows the user's name and how layers look.
    """

    changed = Signal(object, object, str)
    attached = Signal(object)
    detached = Signal(object)
    said = Signal(str, bool)
    merged = Signal(object, object)
    run_walked = Signal(object, str)
    active_changed = Signal()
    edited_externally = Signal()

    def __init__(self, layers: ViewerLayers, session: Session) -> None:
        self.layers, self.session = layers, session
        self._tracked: dict[str, TrackedLayer] = {}
        self._keys: dict[str, Callable[[], Any]] = {UNDO_KEY: self.undo, REDO_KEY: self.redo}
        self._active = self._decided = ""
        events = layers.viewer.layers.events
        self._pairs = [
            (events.removed, self._on_removed),
            (layers.viewer.layers.selection.events.active, self._on_active),
        ]
        for emitter, callback in self._pairs:
            emitter.connect(callback)
        self.attach_all()

    def __iter__(self) -> Iterator[TrackedLayer]:
        return iter(list(self._tracked.values()))

    @property
    def active(self) -> TrackedLayer | None:
        """The result layer that is, or was last, active."""
        return self._tracked.get(self._active)

    def need_active(self) -> TrackedLayer:
        """The active layer, caught up with. Raises ``EditError`` without one."""
        active = self.active
        if active is None:
            raise EditError(NO_LAYER)
        active.stale = True  # a script may have written into the array without telling napari
        self.sync()
        if active.key not in self._tracked:
            raise EditError(NO_LAYER)
        return active

    def find(self, key: str) -> TrackedLayer | None:
        """The tracked layer with this ``unique_id``."""
        return self._tracked.get(key)

    def siblings(self, one: TrackedLayer) -> dict[str, TrackedLayer]:
        """By task, the layers of the same image, region and level as ``one``, itself among them."""
        return {**{other.task: other for other in self if other.place == one.place}, one.task: one}

    @property
    def keys(self) -> Mapping[str, Callable[[], Any]]:
        """Every key, as napari names it, and what it does while a result layer is active."""
        return self._keys

    def bind(self, key: str, function: Callable[[], Any]) -> None:
        """Have ``key`` call ``function`` while a result layer is active; name keys as napari does."""
        self._keys[key] = function
        for one in self:
            _bind(one.layer, key, function)

    def attach_all(self) -> None:
        """Follow every result layer that is there."""
        for layer, _ in self.layers.results():
            self.attach(layer)
        self._on_active()

    def attach(self, layer: Any) -> TrackedLayer | None:
        """Follow a layer; None if it is not one of ours."""
        record = record_of(layer) if isinstance(layer, Labels) else None
        if record is None or record.task not in INSTANCE_TASKS or layer.ndim != 2:
            return None
        if (known := self._tracked.get(str(layer.unique_id))) is not None:
            return known
        one = TrackedLayer(layer, record, self.edited_externally.emit)
        self._tracked[one.key] = one
        for key, function in self._keys.items():
            _bind(layer, key, function)
        layer.events.selected_label.connect(self._on_selected)
        self.attached.emit(one)
        return one

    def close(self) -> None:
        """Let go of every layer and of the viewer. Safe to call twice."""
        self.sync()
        pairs, self._pairs = self._pairs, []
        for emitter, callback in pairs:
            emitter.disconnect(callback)
        for key in list(self._tracked):
            self._detach(key)

    def follow_image(self, image_fingerprint: str) -> None:
        """Mean a layer of this image from now on, or none where it has none; "" means any image."""
        active = self.active
        if not image_fingerprint or (active is not None and active.record.image_fingerprint == image_fingerprint):
            return
        mine = [one for one in self if one.record.image_fingerprint == image_fingerprint]
        newest = max(mine, key=lambda one: one.record.made_at, default=None)
        self._active = "" if newest is None else newest.key
        if newest is not active:
            self.active_changed.emit()

    def choose(self, one: TrackedLayer, index: int) -> None:
        """Choose an object of a layer."""
        one.choose(index)
        self.active_changed.emit()

    # -- changing --------------------------------------------------------------------------------

    def apply(self, one: TrackedLayer, change: ChangeSet, tool: str) -> ChangeSet:
        """Make a correction and say what it did. Raises ``EditError``."""
        if change:
            full = one.apply(change, by=self.session.reviewer)
            self._after(one, full, tool)
        self.said.emit(f"{change.summary}.", not change)
        return change

    def undo(self) -> None:
        """Take back the last step of the active layer; right after a decision of the review, that decision.

        The review goes on to the next object, which may be in another layer than the one just decided on.
        """
        self.sync()
        decided = self._tracked.get(self._decided)
        if decided is not None and decided is not self.active:
            self.layers.viewer.layers.selection.active = decided.layer
        self._walk("undo")

    def redo(self) -> None:
        """Make the last step that was taken back again."""
        self._walk("redo")

    def sync(self) -> None:
        """Catch up with every layer that something else has changed."""
        for one in self:
            if not one.stale:
                continue
            try:
                change = one.sync(by=self.session.reviewer)
            except CerberusError as error:
                self._detach(one.key)
                self.said.emit(str(error), True)
                continue
            if change:
                self._after(one, change, "paint")

    def merge(self, results: Mapping[str, MergeResult], answer: Answer) -> Run:
        """Take a re-run into its layers, by key: one step back for all of them together.

        Raises
        ------
        EditError
            If one of them is locked; nothing was changed then.
        """
        layers = [one for key in results if (one := self.find(key)) is not None]
        for one in layers:
            one.check_free()
        run = Run(layers=tuple(one.key for one in layers))
        for one in layers:
            self._after_run(one, one.merge(results[one.key], run, *_of_the_run(one, answer)), "merge")
        if self.active not in layers and layers:
            self.layers.viewer.layers.selection.active = layers[0].layer
        return run

    def _walk(self, way: str) -> None:
        if (one := self.active) is None:
            return
        self.sync()
        try:
            if (run := one.next_run(way)) is not None:
                self._walk_run(run, way)
                return
            change: ChangeSet = getattr(one, way)(by=self.session.reviewer)
        except CerberusError as error:
            self.said.emit(str(error), True)
            return
        if change:
            self._after(one, change, way)
            self.said.emit(f"{change.summary}.", False)

    def _walk_run(self, run: Run, way: str) -> None:
        """Take a re-run back, or make it again, in all its layers. Raises ``EditError``, and nothing is changed."""
        layers = [one for key in run.layers if (one := self.find(key)) is not None]
        waits = [one.task for one in layers if one.next_run(way) is not run]
        if lost := [one.task for one in layers if not one.remembers(run, way)]:
            raise EditError((_TOO_FAR if way == "undo" else _CHANGED).format(" and ".join(lost)))
        if waits:
            raise EditError(_LATER.format(" and ".join(waits)))
        for one in layers:
            one.check_free()
        for one in layers:
            self._after_run(one, getattr(one, way)(by=self.session.reviewer), way)
        did = "Took back the new result" if way == "undo" else "Took the new result again"
        self.said.emit(f"{did}: {', '.join(one.task for one in layers)}.", False)
        self.run_walked.emit(run, way)

    def _after_run(self, one: TrackedLayer, change: ChangeSet, tool: str) -> None:
        self.merged.emit(one, change)
        self._recolour(one, change)
        self.changed.emit(one, ChangeSet(summary=change.summary), tool)

    def _after(self, one: TrackedLayer, change: ChangeSet, tool: str) -> None:
        self._decided = one.key if one.last_is_of_the_table else ""
        self._recolour(one, change)
        self.changed.emit(one, change, tool)

    def _recolour(self, one: TrackedLayer, change: ChangeSet) -> None:
        before = change.previous_features
        if any(cells.get("class", "") != before.get(i, {}).get("class", "") for i, cells in change.features.items()):
            self.layers.recolour(one.layer, one.task, self.session.display)
            one.stale = False

    # -- listening -------------------------------------------------------------------------------

    def _on_removed(self, event: Any) -> None:
        self._detach(str(event.value.unique_id))

    def _on_active(self, event: Any = None) -> None:
        layer = self.layers.viewer.layers.selection.active
        one = self.attach(layer) if layer is not None else None
        if one is not None and one.key != self._active:
            self._active = one.key
            self.active_changed.emit()

    def _on_selected(self, event: Any) -> None:
        """napari's picker, or its spin box, chose an object."""
        one = self._tracked.get(str(event.source.unique_id))
        if one is not None and one.selected != int(one.layer.selected_label):
            self.choose(one, int(one.layer.selected_label))

    def _detach(self, key: str) -> None:
        one = self._tracked.pop(key, None)
        if one is None:
            return
        one.close()
        one.layer.events.selected_label.disconnect(self._on_selected)
        for name in self._keys:
            one.layer.bind_key(name, None)
        self.detached.emit(one)
        if key == self._active:
            self._active = next(iter(self._tracked), "")
            self.active_changed.emit()


def _of_the_run(one: TrackedLayer, answer: Answer) -> tuple[LayerRecord, ProbabilityMap | None]:
    """Provenance of a layer after a re-run, and what the model saw; of a smaller region the old map stays."""
    names = _OF_THE_RUN if tuple(one.record.region) == tuple(answer.record.region) else _OF_ANY_RUN
    record = replace(one.record, **{name: getattr(answer.record, name) for name in names})
    if names is _OF_ANY_RUN:
        return record, one.probability
    return record, probability_map(answer.annotation.probabilities, one.task, one.tracked.labels.shape)


def _bind(layer: Any, key: str, function: Callable[[], Any]) -> None:
    # napari makes a method of the layer of it, so it must take the layer
    layer.bind_key(key, lambda _layer: function(), overwrite=True)
