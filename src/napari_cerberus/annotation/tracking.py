"""One label layer under watch: whatever changes its pixels, the table follows and a change set comes out.

napari's undo, its brush and other plugins change a layer without telling what they did. ``TrackedLabels`` keeps a
copy of what it saw last, so ``sync`` finds any change by comparing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ..errors import DataError, EditError
from .edits.changes import ChangeSet, Features, difference
from .regions import Labels, same_pixels
from .table import EDITED, UNREVIEWED, after_change, cells_of, edited, of_task, set_cells, with_review


@dataclass(frozen=True)
class _Seen:
    labels: Labels
    objects: pd.DataFrame
    model_labels: Labels


class TrackedLabels:
    """Labels and table of one task, as last seen, beside the model's result that they started from.

    Attributes
    ----------
    task : str
    pixel_size_um : float
    labels : (H, W) integer array
        Own copy of the layer's pixels as last seen.
    model_labels : (H, W) integer array
        The model's last result; all background where the layer was drawn by hand from the start.
    objects : DataFrame
        Rows of this task (``table.COLUMNS``).
    """

    def __init__(
        self,
        task: str,
        labels: Labels,
        objects: pd.DataFrame,
        pixel_size_um: float,
        *,
        model_labels: Labels | None = None,
    ) -> None:
        if model_labels is not None and model_labels.shape != labels.shape:
            raise DataError(f"The {task} layer and the model's result have different sizes.")
        self.task = task
        self.pixel_size_um = pixel_size_um
        self.labels = labels.copy()
        self.model_labels = labels.copy() if model_labels is None else model_labels.copy()
        self.objects = of_task(with_review(objects), task)
        self._earlier = self.objects.iloc[:0]
        self._before: _Seen | None = None
        self._reclassified = self._edited_but_same(set(self.objects["index"]))
        self._highest = self._highest_now()

    @property
    def next_id(self) -> int:
        """An id that no object has or had; pass it to the tools as ``new_id``."""
        return self._highest + 1

    def sync(self, labels: Labels, summary: str = "Changed by hand", *, by: str = "", at: str = "") -> ChangeSet:
        """Compare the layer with what was seen last, follow it, and return what changed (false: nothing).

        Raises
        ------
        EditError
            If the layer now has another size.
        """
        if labels.shape != self.labels.shape:
            raise EditError(f"The {self.task} layer now has another size; annotate the image again.")
        change = difference(self.labels, labels.astype(self.labels.dtype, copy=False), summary)
        if change and self._before is not None and np.array_equal(labels, self._before.labels):
            return self._swap(change)
        return self.apply(change, by=by, at=at) if change else change

    def adopt(self, change: ChangeSet, objects: pd.DataFrame, model_labels: Labels) -> ChangeSet:
        """Follow a re-run: ``change``, table and model labels of a ``MergeResult``, or of a first result.

        Nothing becomes ``edited`` by it. When the layer is later found as it was before, as after an undo, table
        and model labels are as before too; a redo brings the re-run back.
        """
        seen = _Seen(change.applied(self.labels), of_task(with_review(objects), self.task), model_labels.copy())
        self._before = seen
        return self._swap(change)

    def _swap(self, change: ChangeSet) -> ChangeSet:
        """Exchange what is with what was seen before the last re-run."""
        old, new = _Seen(self.labels, self.objects, self.model_labels), self._before
        if new is None:
            return change
        self.labels, self.objects, self.model_labels = new.labels, new.objects, new.model_labels
        self._before = old
        self._reclassified = self._edited_but_same(set(self.objects["index"]))
        self._highest = max(self._highest, self._highest_now())
        before, after = (cells_of(seen.objects, seen.objects["index"]) for seen in (old, new))
        return replace(
            change,
            features=_differing(after, before),
            previous_features=_differing(before, after),
            model_change=difference(old.model_labels, new.model_labels, "Model's result"),
        )

    def _highest_now(self) -> int:
        return int(max([self.labels.max(initial=0), self.model_labels.max(initial=0), *self.objects["index"]]))

    def apply(self, change: ChangeSet, *, by: str = "", at: str = "") -> ChangeSet:
        """Follow a change set that a tool made of ``labels``.

        Returns it with every table cell that changed, geometry apart, which is what the journal needs. An object
        that is again exactly as the model made it, as after an undo, is ``unreviewed`` again.
        """
        self.labels[change.indices] = change.values
        before = self.objects
        self.objects = after_change(
            before,
            change,
            self.labels,
            task=self.task,
            pixel_size_um=self.pixel_size_um,
            stamp=edited(by, at),
            earlier=self._earlier,
        )
        self._highest = max([self._highest, *change.new_ids])
        gone = before[before["index"].isin(change.removed_ids)]
        if len(gone):
            older = self._earlier[~self._earlier["index"].isin(change.removed_ids)]
            self._earlier = pd.concat([older, gone], ignore_index=True) if len(older) else gone
        self._reclassified |= _reclassified(cells_of(before, change.features), change.features)
        undone = self._edited_but_same({*change.changed_ids, *change.new_ids} - self._reclassified)
        self.objects = set_cells(self.objects, {i: {"state": UNREVIEWED} for i in undone})
        ids = [*change.new_ids, *change.changed_ids, *change.features]
        return replace(change, features=cells_of(self.objects, ids), previous_features=cells_of(before, change.ids))

    def _edited_but_same(self, among: set[int]) -> set[int]:
        """Of these objects, those that are called edited and have exactly the model's pixels."""
        if not among:
            return set()
        rows = self.objects[self.objects["index"].isin(among) & (self.objects["state"] == EDITED)]
        ids = rows["index"].to_numpy()
        return set(ids[same_pixels(self.labels, self.model_labels, ids)].tolist())


def _reclassified(before: Features, after: Features) -> set[int]:
    return {
        i for i, cells in after.items() if i in before and cells.get("class", before[i]["class"]) != before[i]["class"]
    }


def _differing(cells: Features, others: Features) -> Features:
    """The objects whose cells are not the same in ``others``; compared as text, in which NaN equals NaN."""
    return {i: row for i, row in cells.items() if repr(row) != repr(others.get(i))}
