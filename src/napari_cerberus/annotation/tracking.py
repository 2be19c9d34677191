"""One label layer under watch: whatever changes its pixels, the table follows and a change set comes out.

napari's undo, its brush and other plugins change a layer without telling what they did. ``TrackedLabels`` keeps a
copy of what it saw last, so ``sync`` finds any change by comparing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ..errors import DataError, EditError
from .edits.changes import ChangeSet, Features, difference
from .label_maps import Labels, same_pixels
from .object_columns import EDITED, UNREVIEWED, of_task, with_review
from .object_table import after_change, cells_of, edited, set_cells

KEPT_RUNS = 3
"""So many re-runs can be taken back one after the other; each keeps two label maps in memory."""


@dataclass(kw_only=True, eq=False)
class Seen:
    """The other side of a re-run: what was there before it, or, once it is taken back, what it made.

    Attributes
    ----------
    labels, model_labels : (H, W) integer arrays
    objects : DataFrame
    moves_pixels : bool
        Whether the re-run changed any pixel of the layer.
    """

    labels: Labels
    objects: pd.DataFrame
    model_labels: Labels
    moves_pixels: bool

    def forget(self) -> None:
        """Give the memory back; it cannot be walked over any more."""
        self.labels, self.model_labels = self.labels[:0, :0].copy(), self.model_labels[:0, :0].copy()
        self.objects = self.objects.iloc[:0]


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
        self._runs: deque[Seen] = deque(maxlen=KEPT_RUNS)
        self._reclassified = self._edited_but_same(set(self.objects["index"]))
        self._highest = self._highest_now()

    @property
    def next_id(self) -> int:
        """An id that no object has or had; pass it to the tools as ``new_id``."""
        return self._highest + 1

    def sync(
        self,
        labels: Labels,
        summary: str = "Changed by hand",
        *,
        by: str = "",
        at: str = "",
        cells: Features | None = None,
    ) -> ChangeSet:
        """Compare the layer with what was seen last, follow it, and return what changed (false: nothing).

        Parameters
        ----------
        labels : (H, W) integer array
        cells : {id: {column: value}}, optional
            Of the table, where they are known to belong to these pixels, as after an undo.

        Raises
        ------
        EditError
            If the layer now has another size.
        """
        if labels.shape != self.labels.shape:
            raise EditError(f"The {self.task} layer now has another size; annotate the image again.")
        change = difference(self.labels, labels.astype(self.labels.dtype, copy=False), summary)
        for seen in reversed(self._runs if change else ()):
            if seen.moves_pixels and np.array_equal(labels, seen.labels):
                return self.exchange(seen, summary)
        return self._with_cells(self.apply(change, by=by, at=at), cells or {}) if change else change

    def adopt(self, change: ChangeSet, objects: pd.DataFrame, model_labels: Labels) -> ChangeSet:
        """Follow a re-run: ``change``, table and model labels of a ``MergeResult``, or of a first result.

        Nothing becomes ``edited`` by it. When the layer is later found as it was before, as after an undo, table
        and model labels are as before too; a redo brings the re-run back.
        """
        seen = Seen(
            labels=change.applied(self.labels),
            objects=of_task(with_review(objects), self.task),
            model_labels=model_labels.copy(),
            moves_pixels=change.changed_px > 0,
        )
        if len(self._runs) == KEPT_RUNS:
            self._runs[0].forget()
        self._runs.append(seen)
        return self.exchange(seen, change.summary)

    @property
    def last_run(self) -> Seen | None:
        """The other side of the last re-run, for ``exchange``."""
        return self._runs[-1] if self._runs else None

    def knows(self, seen: Seen) -> bool:
        """Whether a re-run is recent enough to be taken back, or made again."""
        return any(one is seen for one in self._runs)

    def exchange(self, seen: Seen, summary: str) -> ChangeSet:
        """Take a re-run back, or make it again: what is there and ``seen`` change places."""
        change = difference(self.labels, seen.labels, summary)
        model_change = difference(self.model_labels, seen.model_labels, "Model's result")
        before, after = (cells_of(side.objects, side.objects["index"]) for side in (self, seen))
        self.labels, seen.labels = seen.labels, self.labels
        self.objects, seen.objects = seen.objects, self.objects
        self.model_labels, seen.model_labels = seen.model_labels, self.model_labels
        self._reclassified = self._edited_but_same(set(self.objects["index"]))
        self._highest = max(self._highest, self._highest_now())
        return replace(
            change,
            features=_differing(after, before),
            previous_features=_differing(before, after),
            model_change=model_change,
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

    def _with_cells(self, change: ChangeSet, cells: Features) -> ChangeSet:
        """Objects that are as they were have the review state they had."""
        if not cells:
            return change
        self.objects = set_cells(self.objects, {i: cells[i] for i in change.ids if i in cells})
        return replace(change, features=cells_of(self.objects, [*change.new_ids, *change.changed_ids]))

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
