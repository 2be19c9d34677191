"""One result layer under correction: its table, its steps back, and the only hand that writes into it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from ...annotation.edits import ChangeSet, Features, ProbabilityMap
from ...annotation.finished_areas import Mask, finished_masks
from ...annotation.merge import MergeResult
from ...annotation.object_columns import COLUMNS, DECIDED
from ...annotation.tracking import TrackedLabels
from ...errors import EditError
from ..layer_features import BOX, features_of, table_from
from ..layer_provenance import KEY, MODEL_LABELS, LayerRecord, finished_of
from .undo import PixelStep, Run, RunStep, Step

_EVENTS = ("paint", "labels_update", "set_data", "data")
"""What napari emits when a brush, its undo or a plugin changes pixels."""
_STEPS = 100
"""As many as napari's own history keeps."""
Point = tuple[float, float]


class TrackedLayer:
    """A Labels layer we made, and what is known of its objects.

    Every pixel is written through ``data_setitem`` inside ``block_history``, so one correction is one step of napari's
    undo. Corrections of the table alone (a class, a review state) have no pixels, so napari knows no step for them:
    they are kept here, in order with napari's, and ``undo`` and ``redo`` walk both.

    Attributes
    ----------
    key : str
        The layer's ``unique_id``.
    tracked : TrackedLabels
        Labels and table as last seen.
    stale : bool
        Something else may have changed pixels since.
    probability : ProbabilityMap or None
        What the model saw, for objects grown from a click.

    Parameters
    ----------
    layer : napari.layers.Labels
    record : LayerRecord
    on_stir : callable, optional
        Called whenever something else may have changed pixels.
    """

    def __init__(self, layer: Any, record: LayerRecord, on_external_edit: Callable[[], Any] = lambda: None) -> None:
        self.layer, self.record = layer, record
        self.key = str(layer.unique_id)
        self._on_external_edit = on_external_edit
        self._chosen = 0
        pixels, model_labels = _pixels(layer), layer.metadata.get(MODEL_LABELS)
        fits = isinstance(model_labels, np.ndarray) and model_labels.shape == pixels.shape
        self.tracked = TrackedLabels(
            record.task,
            pixels,
            table_from(layer.features, pixels, record.task, record.pixel_size_um),
            record.pixel_size_um,
            model_labels=model_labels if fits else None,
        )
        self._note_model_labels()
        self.stale, self._unseen, self._array, self._replaced = False, 0, layer.data, False
        self.probability: ProbabilityMap | None = None
        self._done: deque[Step] = deque(maxlen=_STEPS)
        self._undone: deque[Step] = deque(maxlen=_STEPS)
        pixels_moved = [(getattr(layer.events, name), self._on_pixels) for name in _EVENTS]
        self._pairs = [*pixels_moved, (layer.events.paint, self._on_step)]
        for emitter, callback in self._pairs:
            emitter.connect(callback)

    @property
    def task(self) -> str:
        """Task key."""
        return self.record.task

    @property
    def place(self) -> tuple[Any, ...]:
        """What the layers of one annotation share: image, region and level."""
        return self.record.place[1:]

    @property
    def selected(self) -> int:
        """Id of the chosen object; 0 where none was chosen, or it is gone."""
        return self._chosen if (self.tracked.objects["index"] == self._chosen).any() else 0

    @property
    def has_work(self) -> bool:
        """Whether the user has decided on, or changed, any object, or finished an area."""
        decided = self.tracked.objects["state"].isin(DECIDED).any()
        moved = not np.array_equal(self.tracked.labels, self.tracked.model_labels)
        return bool(decided) or moved or self.finished is not None

    @property
    def finished(self) -> Mask | None:
        """Pixels that a person called right; None where there are none. (H, W) bool array."""
        shape = self.tracked.labels.shape
        return finished_masks(finished_of(self.layer), (shape[0], shape[1])).get(self.task)

    @property
    def last_is_of_the_table(self) -> bool:
        """Whether the step that ``undo`` would take back changed no pixel."""
        return bool(self._done) and isinstance(self._done[-1], ChangeSet)

    def choose(self, index: int) -> None:
        """Choose an object; napari's brush paints with its id from now on."""
        self._chosen = index
        if index > 0:
            self.layer.selected_label = index

    def to_data(self, world: Any) -> Point:
        """A point of the canvas in pixels of the layer."""
        row, column = self.layer.world_to_data(world)[-2:]
        return float(row), float(column)

    def box(self, index: int) -> tuple[Point, Point] | None:
        """Outer corners of an object, in pixels of the layer; None where there is no such object."""
        rows = self.tracked.objects.loc[self.tracked.objects["index"] == index, list(BOX)]
        if rows.empty:
            return None
        y0, x0, y1, x1 = (float(value) for value in rows.iloc[0])
        return (y0 - 0.5, x0 - 0.5), (y1 - 0.5, x1 - 0.5)

    def close(self) -> None:
        """Stop listening. Safe to call twice."""
        pairs, self._pairs = self._pairs, []
        for emitter, callback in pairs:
            emitter.disconnect(callback)

    # -- changing --------------------------------------------------------------------------------

    def apply(self, change: ChangeSet, *, by: str = "") -> ChangeSet:
        """Make a correction, as one step back; returns it with every table cell that it changed.

        Raises
        ------
        EditError
            If the layer is locked.
        """
        self.check_free()
        self._write_pixels(change)
        full = self.tracked.apply(change, by=by)
        if change.changed_px:
            self._note_cells(full)
        else:
            self._done.append(full)
            self._undone.clear()
        self._write_table()
        return full

    def merge(
        self, result: MergeResult, run: Run, record: LayerRecord, probability: ProbabilityMap | None
    ) -> ChangeSet:
        """Take a re-run that ``annotation.merge`` has fitted to what the user did, as one step back.

        Raises
        ------
        EditError
            If the layer is locked.
        """
        self.check_free()
        before = len(self._done)
        self._write_pixels(result.change)
        if len(self._done) > before or (before == _STEPS and result.change.changed_px):
            self._done.pop()  # napari's step of these pixels is part of ours
        self._unseen = 0
        change = self.tracked.adopt(result.change, result.objects, result.model_labels)
        if (seen := self.tracked.last_run) is not None:
            self._done.append(RunStep(run=run, seen=seen, record=self.record, probability=self.probability))
        self._undone.clear()
        self._be_of(record, probability)
        return change

    def next_run(self, way: str) -> Run | None:
        """The re-run that ``undo`` or ``redo`` (``way``) would walk over; None if it is another step."""
        steps = self._steps(way)
        step = steps[-1] if steps else None
        return step.run if isinstance(step, RunStep) else None

    def remembers(self, run: Run, way: str) -> bool:
        """Whether ``undo`` or ``redo`` (``way``) can still come to a re-run."""
        found = (step for step in self._steps(way) if isinstance(step, RunStep) and step.run is run)
        return any(self.tracked.knows(step.seen) for step in found)

    def sync(self, summary: str = "Changed by hand", *, by: str = "", cells: Features | None = None) -> ChangeSet:
        """Find out what a brush, napari's undo or a script did to the pixels, and follow it; false if nothing.

        ``cells`` are those of the table that are known to belong to the pixels.

        Raises
        ------
        EditError
            If the layer now has another size.
        """
        self.stale = False
        change = self.tracked.sync(_pixels(self.layer), summary, by=by, cells=cells)
        if change:
            self._note_cells(change)
            self._write_table()
        if change.model_change is not None:
            self._note_model_labels()
        return change

    def undo(self, *, by: str = "") -> ChangeSet:
        """Take the last step back, whether it changed pixels or the table alone."""
        return self._step(self._done, self._undone, self.layer.undo, by, back=True)

    def redo(self, *, by: str = "") -> ChangeSet:
        """Make the step that was last taken back again."""
        return self._step(self._undone, self._done, self.layer.redo, by, back=False)

    def _step(
        self, source: deque[Step], target: deque[Step], pixels: Callable[[], Any], by: str, *, back: bool
    ) -> ChangeSet:
        if not source and self._replaced:  # napari would bring back pixels of the array that is gone
            return ChangeSet(summary="Nothing to take back")
        step = source.pop() if source else PixelStep()
        target.append(step)
        if isinstance(step, RunStep):
            return self._walk_run(step, pixels, back=back)
        if isinstance(step, PixelStep):
            pixels()
            summary, cells = ("Undid a step", step.before) if back else ("Redid a step", step.after)
            return self.sync(summary, by=by, cells=cells)
        change = self.tracked.apply(step.inverse() if back else step, by=by)
        self._write_table()
        return change

    def _walk_run(self, step: RunStep, pixels: Callable[[], Any], *, back: bool) -> ChangeSet:
        """To the other side of a re-run: pixels, table, model's result and provenance."""
        if step.seen.moves_pixels:
            pixels()
        change = self.tracked.exchange(step.seen, "Took back the new result" if back else "Took the new result again")
        record, probability = step.record, step.probability
        step.record, step.probability = self.record, self.probability
        self._be_of(record, probability)
        return change

    def _be_of(self, record: LayerRecord, probability: ProbabilityMap | None) -> None:
        """Show the table of a run, and keep where it came from."""
        self.record, self.probability = record, probability
        self._write_table()
        self._note_model_labels()
        self.layer.metadata = {**self.layer.metadata, KEY: record.to_metadata()}

    def _steps(self, way: str) -> deque[Step]:
        return self._done if way == "undo" else self._undone

    def check_free(self) -> None:
        """Raises ``EditError`` if the layer is locked."""
        if getattr(self.layer, "locked", False):
            raise EditError(f"“{self.layer.name}” is locked; unlock it in the layer list to correct it.")

    def _write_pixels(self, change: ChangeSet) -> None:
        if not change.changed_px:
            return
        hidden = not self.layer.visible
        if hidden:  # napari slices no hidden layer, and data_setitem writes into the slice too
            self.layer.visible = True
        try:
            with self.layer.block_history():
                self.layer.data_setitem(change.indices, change.values)
        finally:
            if hidden:
                self.layer.visible = False
        self.stale = False

    def _write_table(self) -> None:
        """Our columns as the table has them; columns that someone else added stay."""
        ours, theirs = features_of(self.tracked.objects), self.layer.features
        if "index" in theirs:
            extra = [name for name in theirs.columns if name == "index" or name not in COLUMNS]
            if len(extra) > 1:
                ours = ours.merge(theirs[extra].drop_duplicates("index"), on="index", how="left")
        self.layer.features = ours

    def _note_model_labels(self) -> None:
        """Keep the model's result where saving a layer finds it."""
        self.layer.metadata = {**self.layer.metadata, MODEL_LABELS: self.tracked.model_labels}

    def _on_pixels(self, event: Any = None) -> None:
        self.stale = True
        if self.layer.data is not self._array:
            self._array, self._replaced = self.layer.data, True
            self._done.clear()
            self._undone.clear()
        self._on_external_edit()

    def _on_step(self, event: Any = None) -> None:
        self._done.append(PixelStep())
        self._unseen += 1
        self._undone.clear()

    def _note_cells(self, change: ChangeSet) -> None:
        """Keep the table cells with the one step of napari's history that changed them."""
        if self._unseen == 1 and isinstance(self._done[-1], PixelStep):
            self._done[-1] = PixelStep(before=change.previous_features, after=change.features)
        self._unseen = 0


def _pixels(layer: Any) -> np.ndarray[Any, Any]:
    return np.asarray(layer.data)
