"""A second Annotate on an image that was corrected: what the user did stays, object by object, if they agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import pandas as pd
from psygnal import Signal

from ...annotation.frame import Region, placed
from ...annotation.merge import MergeResult, Rerun, merge
from ...annotation.object_columns import of_task
from ...errors import CerberusError, EditError
from ..annotate.annotation_result import Answer
from .review_session import Reviewing
from .tracked_layer import TrackedLayer
from .tracked_layers import Corrections
from .undo import Run

Conflicts = list[tuple[tuple[Any, ...], pd.DataFrame]]
"""By place, what a re-run contradicts."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Offer:
    """A merge that waits for the user's word.

    Attributes
    ----------
    image_id : str
        The image layer it belongs to.
    answer : Answer
    results : mapping of layer key to MergeResult
    add_beside : callable
        Adds the new result as layers of its own instead.
    """

    image_id: str
    answer: Answer
    results: Mapping[str, MergeResult]
    add_beside: Any

    @property
    def lines(self) -> tuple[str, ...]:
        """One line a task: what would be replaced, kept and queued."""
        return tuple(
            f"{result.change.summary.split()[-1].capitalize()}: {result.counts}" for result in self.results.values()
        )


class Rerunning:
    """Holds at most one offer.

    Attributes
    ----------
    offer_changed : Signal
        There is an offer now, or there is none any more.

    Parameters
    ----------
    corrections : Corrections
    review : Reviewing
        Queues what the new result contradicts.
    """

    offer_changed = Signal()

    def __init__(self, corrections: Corrections, review: Reviewing) -> None:
        self._corrections, self._review = corrections, review
        self.offer: Offer | None = None
        self._conflicts: WeakKeyDictionary[Run, Conflicts] = WeakKeyDictionary()
        corrections.run_walked.connect(self._on_run_walked)
        corrections.changed.connect(self._on_changed)
        corrections.detached.connect(self._on_detached)

    def propose(self, image_id: str, answer: Answer, add_beside: Any) -> bool:
        """Offer to merge an answer into corrected layers; False, and nothing is offered, where none fits.

        Raises
        ------
        CerberusError
            If the new result cannot be compared with the layers.
        """
        self._catch_up()
        layers = self._layers_for(answer)
        if not any(one.has_work for one in layers):
            return False
        results = {one.key: _merged(one, answer) for one in layers}
        self._set(Offer(image_id=image_id, answer=answer, results=results, add_beside=add_beside))
        return True

    def lies_inside(self, answer: Answer) -> bool:
        """Whether an answer is of a part of what is annotated already: second outlines there would help nobody."""
        new = tuple(answer.record.region)
        layers = self._layers_for(answer)
        covered = {one.task for one in layers if tuple(one.record.region) != new}
        return bool(layers) and covered >= set(answer.annotation.labels)

    def accept(self) -> None:
        """Merge: one step back for all layers together."""
        offer = self.offer
        if offer is None:
            return
        self._set(None)
        try:
            self._merge(offer.results, offer.answer)
        except CerberusError as error:
            self._set(offer)
            self._corrections.said.emit(str(error), True)
            return
        merged = _layers(len(offer.results))
        self._corrections.said.emit(f"Merged the new result into {merged}; Ctrl+Z takes it back.", False)

    def take(self, answer: Answer) -> Mapping[str, MergeResult]:
        """Merge an answer at once; what it did, by key of the layer. An offer that waits is forgotten.

        Raises
        ------
        CerberusError
            If no layer is left that it fits, or one is locked; nothing was changed then.
        """
        self._catch_up()
        layers = self._layers_for(answer)
        if not layers:
            raise EditError("The layers it was meant for were removed; nothing was changed.")
        results = {one.key: _merged(one, answer) for one in layers}
        self._merge(results, answer)
        self._set(None)
        return results

    def _merge(self, results: Mapping[str, MergeResult], answer: Answer) -> None:
        places = {key: one.place for key in results if (one := self._corrections.find(key)) is not None}
        run = self._corrections.merge(results, answer)
        self._conflicts[run] = [(place, results[key].conflicts) for key, place in places.items()]
        self._show_conflicts(run, there=True)

    def _catch_up(self) -> None:
        for one in self._corrections:
            one.stale = True  # a script may have written into the array without telling napari
        self._corrections.sync()

    def _on_run_walked(self, run: Run, way: str) -> None:
        self._show_conflicts(run, there=way == "redo")

    def _show_conflicts(self, run: Run, *, there: bool) -> None:
        for place, conflicts in self._conflicts.get(run, []):
            self._review.set_conflicts(place, conflicts, there=there)
        self._review.look_for_reasons()

    def put_beside(self) -> None:
        """Add the new result as layers of its own; what was corrected stays as it is."""
        if (offer := self._take()) is not None:
            offer.add_beside()

    def drop(self) -> None:
        """Forget the offer."""
        self._take()

    def _take(self) -> Offer | None:
        offer = self.offer
        self._set(None)
        return offer

    def _set(self, offer: Offer | None) -> None:
        self.offer = offer
        self.offer_changed.emit()

    def _layers_for(self, answer: Answer) -> list[TrackedLayer]:
        """Layers of the same image and resolution that the new result lies on, the largest of each task."""
        record = answer.record
        found: dict[str, TrackedLayer] = {}
        for one in self._corrections:
            mine = one.record
            fits = (mine.image_fingerprint, tuple(mine.factors)) == (record.image_fingerprint, tuple(record.factors))
            if not fits or one.task not in answer.annotation.labels or not _holds(mine.region, record.region):
                continue
            if one.task not in found or one.has_work > found[one.task].has_work:
                found[one.task] = one
        return list(found.values())

    def _on_changed(self, one: TrackedLayer, change: Any) -> None:
        """The layer is no longer what the preview was made of."""
        if change and self.offer is not None and one.key in self.offer.results:
            offer = self.offer
            self.offer = None
            try:
                self.propose(offer.image_id, offer.answer, offer.add_beside)
            except CerberusError as error:
                self._set(None)
                self._corrections.said.emit(str(error), True)

    def _on_detached(self, one: TrackedLayer) -> None:
        if self.offer is not None and one.key in self.offer.results:
            left = {key: result for key, result in self.offer.results.items() if key != one.key}
            offer = self.offer
            self._set(
                Offer(image_id=offer.image_id, answer=offer.answer, results=left, add_beside=offer.add_beside)
                if left
                else None
            )


def _layers(number: int) -> str:
    return "1 layer" if number == 1 else f"all {number} layers"


def _merged(one: TrackedLayer, answer: Answer) -> MergeResult:
    """What the merge of one layer would do. Raises ``CerberusError``."""
    on, of = _region(one.record.region), _region(answer.record.region)
    annotation = answer.annotation
    dtype = one.tracked.labels.dtype
    return merge(
        Rerun(
            task=one.task,
            last=one.tracked.model_labels,
            current=one.tracked.labels,
            new=placed(annotation.labels[one.task], of, on).astype(dtype, copy=False),
            objects=one.tracked.objects,
            new_objects=of_task(annotation.objects, one.task),
            pixel_size_um=one.tracked.pixel_size_um,
            finished=one.finished,
            region=(of[0] - on[0], of[1] - on[1], of[2] - on[0], of[3] - on[1]),
            first_new_id=one.tracked.next_id,
        )
    )


def _region(values: Any) -> Region:
    top, left, bottom, right = (int(value) for value in values)
    return top, left, bottom, right


def _holds(outer: Any, inner: Any) -> bool:
    """Whether a region lies in another: a layer cannot grow without losing its history."""
    return bool(outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3])
