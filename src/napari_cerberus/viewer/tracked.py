"""One result layer under correction: its table, its steps back, and the only hand that writes into it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from ..annotation.edits import ChangeSet, ProbabilityMap
from ..annotation.merge import MergeResult
from ..annotation.table import CELLS, COLUMNS, DECIDED, measure, rows_with
from ..annotation.tracking import TrackedLabels
from ..errors import EditError
from .record import LayerRecord

_EVENTS = ("paint", "labels_update", "set_data", "data")
"""What napari emits when a brush, its undo or a plugin changes pixels."""
_STEPS = 100
"""As many as napari's own history keeps."""
_BOX = ("y0_px", "x0_px", "y1_px", "x1_px")
MODEL_LABELS = "napari-cerberus model labels"
"""Our entry in ``layer.metadata`` with the model's last result, an array like the layer's."""

Point = tuple[float, float]


class TrackedLayer:
    """A Labels layer we made, and what is known of its objects.

    Every pixel is written through ``data_setitem`` inside ``block_history``, so one correction is one step of napari's
    undo. Corrections of the table alone (a class, a review state) have no pixels, so napari knows no step for them:
    they are kept here, in order with napari's, and ``undo`` and ``redo`` walk both.

    Attributes
    ----------
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

    def __init__(self, layer: Any, record: LayerRecord, on_stir: Callable[[], Any] | None = None) -> None:
        self.layer, self.record = layer, record
        self._on_stir = on_stir
        self._chosen = 0
        pixels, model_labels = _pixels(layer), layer.metadata.get(MODEL_LABELS)
        fits = isinstance(model_labels, np.ndarray) and model_labels.shape == pixels.shape
        self.tracked = TrackedLabels(
            record.task,
            pixels,
            table_from(layer.features, pixels, record),
            record.pixel_size_um,
            model_labels=model_labels if fits else None,
        )
        self._note_model_labels()
        self.stale = False
        self.probability: ProbabilityMap | None = None
        self._done: deque[ChangeSet | None] = deque(maxlen=_STEPS)
        self._undone: deque[ChangeSet | None] = deque(maxlen=_STEPS)
        self._pairs = [(getattr(layer.events, name), self._on_pixels) for name in _EVENTS]
        self._pairs.append((layer.events.paint, self._on_step))
        for emitter, callback in self._pairs:
            emitter.connect(callback)

    @property
    def key(self) -> str:
        """The layer's ``unique_id``."""
        return str(self.layer.unique_id)

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
        """Whether the user has decided on, or changed, any object."""
        decided = self.tracked.objects["state"].isin(DECIDED).any()
        return bool(decided) or not np.array_equal(self.tracked.labels, self.tracked.model_labels)

    @property
    def last_is_of_the_table(self) -> bool:
        """Whether the step that ``undo`` would take back changed no pixel."""
        return bool(self._done) and self._done[-1] is not None

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
        rows = self.tracked.objects.loc[self.tracked.objects["index"] == index, list(_BOX)]
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
        self._check_free()
        self._write_pixels(change)
        full = self.tracked.apply(change, by=by)
        if not change.changed_px:
            self._done.append(full)
            self._undone.clear()
        self._write_table()
        return full

    def merge(self, result: MergeResult) -> ChangeSet:
        """Take a re-run that ``annotation.merge`` has fitted to what the user did, as one step back."""
        self._check_free()
        self._write_pixels(result.change)
        change = self.tracked.adopt(result.change, result.objects, result.model_labels)
        self._write_table()
        self._note_model_labels()
        return change

    def follow(self, summary: str = "Changed by hand", *, by: str = "") -> ChangeSet:
        """Find out what a brush, napari's undo or a script did to the pixels, and follow it; false if nothing.

        Raises
        ------
        EditError
            If the layer now has another size.
        """
        self.stale = False
        change = self.tracked.sync(_pixels(self.layer), summary, by=by)
        if change:
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
        self, source: deque[ChangeSet | None], target: deque[ChangeSet | None], pixels: Any, by: str, *, back: bool
    ) -> ChangeSet:
        step = source.pop() if source else None
        target.append(step)
        if step is None:
            pixels()
            return self.follow("Undid a step" if back else "Redid a step", by=by)
        change = self.tracked.apply(step.inverse() if back else step, by=by)
        self._write_table()
        return change

    def _check_free(self) -> None:
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
        if self._on_stir is not None:
            self._on_stir()

    def _on_step(self, event: Any = None) -> None:
        self._done.append(None)
        self._undone.clear()


def table_from(features: pd.DataFrame, labels: np.ndarray[Any, Any], record: LayerRecord) -> pd.DataFrame:
    """The object table of a layer: geometry from its pixels, the other cells from its features."""
    indexed = "index" in features
    known = features.drop_duplicates("index").set_index("index") if indexed else pd.DataFrame()
    # as objects: columns that are not there would come as numbers, which take no text
    cells = known.reindex(columns=list(CELLS)).astype("object")
    return rows_with(record.task, measure(labels, record.pixel_size_um), cells)


def features_of(objects: pd.DataFrame) -> pd.DataFrame:
    """The columns of a task's table that its layer shows; without classes where no object has one."""
    shown = objects.drop(columns=["task", *_BOX])
    return shown if (shown["class"] != "").any() else shown.drop(columns=["class", "class_probability"])


def _pixels(layer: Any) -> np.ndarray[Any, Any]:
    return np.asarray(layer.data)
