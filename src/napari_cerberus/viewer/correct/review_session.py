"""The review: finds reasons to look, keeps the queue, and takes the user through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pandas as pd
from psygnal import Signal

from ...annotation.annotated_image import AnnotatedImage
from ...annotation.edits import ChangeSet
from ...annotation.edits.window import window_around
from ...annotation.object_columns import ACCEPTED, REJECTED, SKIPPED, UNREVIEWED, empty_table
from ...annotation.object_table import mark
from ...annotation.review.findings import as_findings, find
from ...annotation.review.queue import Key, ReviewCount, ReviewFilter, attach, count, nearest, queue, step
from ...errors import CerberusError
from ...inference.reasons.object_reasons import object_reasons, reasons_sentence
from ...progress import Job, Progress
from ..worker import End, Failed, JobRunner, Returned
from .sight.aim import Aim
from .sight.camera import look_at, view_centre
from .tracked_layer import TrackedLayer
from .tracked_layers import Corrections

KEYS: Mapping[str, tuple[str, str]] = {
    "accept": ("A", "Accept the object and go to the next"),
    "reject": ("R", "Reject the object (it is marked, not deleted) and go to the next"),
    "skip": ("U", "Skip the object (unsure) and go to the next"),
    "next": (".", "Go to the next object of the queue"),
    "previous": (",", "Go back to the object before"),
}
"""Step of the review to its key, as napari names it, and what it does."""
_STATES = {"accept": ACCEPTED, "reject": REJECTED, "skip": SKIPPED}


class Reviewing:
    """The queue of the annotation that the active layer belongs to.

    Attributes
    ----------
    from_here : bool
        Forward goes to the nearest object of the list instead of the most urgent one.
    changed : Signal
        Queue, count or current object are others.

    Parameters
    ----------
    corrections : Corrections
    aim : Aim
        Knows which object a decision is about.
    """

    changed = Signal()

    def __init__(self, corrections: Corrections, aim: Aim) -> None:
        self.corrections, self._aim = corrections, aim
        self.chosen = ReviewFilter()
        self.from_here = False
        self.current: Key | None = None
        self._place: tuple[Any, ...] = ()
        self._findings: dict[tuple[Any, ...], pd.DataFrame] = {}
        self._conflicts: dict[tuple[Any, ...], list[pd.DataFrame]] = {}
        self._jobs = JobRunner("Looking for reasons to review")
        self._wanted: tuple[Any, ...] | None = None
        self._closed = False
        self._objects: pd.DataFrame | None = None
        self._queued: pd.DataFrame | None = None
        for name in KEYS:
            corrections.bind(KEYS[name][0], getattr(self, name))
        corrections.active_changed.connect(self._on_active)
        corrections.changed.connect(self._on_changed)
        corrections.detached.connect(self._on_detached)
        self._on_active()

    # -- what is there ---------------------------------------------------------------------------

    def objects(self) -> pd.DataFrame:
        """Every object of the annotation under review, with priority and reasons."""
        if self._objects is not None:
            return self._objects
        tables = [one.tracked.objects for one in self._layers().values() if len(one.tracked.objects)]
        objects = pd.concat(tables, ignore_index=True) if tables else empty_table()
        known = [self._findings.get(self._place), *self._conflicts.get(self._place, [])]
        found = [table for table in known if table is not None and len(table)]
        self._objects = attach(objects, pd.concat(found, ignore_index=True) if found else as_findings([]))
        return self._objects

    def queued(self) -> pd.DataFrame:
        """The objects that pass the filter, the most urgent first."""
        if self._queued is None:
            self._queued = queue(self.objects(), self.chosen)
        return self._queued

    def counted(self) -> ReviewCount:
        """How far the review of the filtered objects has come."""
        return count(self.queued())

    def reason(self) -> str:
        """Why the current object is worth a look, in words."""
        queued = self.queued()
        if self.current is None:
            return ""
        rows = queued[(queued["task"] == self.current[0]) & (queued["index"] == self.current[1])]
        return _words(rows.iloc[0]) if len(rows) else ""

    def why(self) -> str:
        """What stands behind the current object, in one line; empty without one."""
        one = self._layers().get(self.current[0]) if self.current is not None else None
        if one is None or self.current is None or one.box(self.current[1]) is None:
            return ""
        index, tracked = self.current[1], one.tracked
        window = window_around(tracked.labels, index)
        reasons = object_reasons(index, tracked.objects, window, one.probability, flips=one.record.flips)
        return reasons_sentence(reasons, one.task)

    def set_conflicts(self, place: tuple[Any, ...], conflicts: pd.DataFrame, *, there: bool) -> None:
        """Queue what a re-run contradicts, or forget it when the re-run is taken back."""
        others = [table for table in self._conflicts.get(place, []) if table is not conflicts]
        self._conflicts[place] = [*others, conflicts] if there else others
        self._refresh()

    # -- what the user does ----------------------------------------------------------------------

    def filter(self, chosen: ReviewFilter) -> None:
        """Look at some of the objects only."""
        self.chosen = chosen
        self._refresh()

    def look_for_reasons(self) -> None:
        """Find anatomy's reasons anew, beside the window."""
        layers = self._layers()
        if not layers or self._closed:
            return
        self._wanted = self._place
        if not self._jobs.busy:
            self._start(layers)

    def next(self) -> None:
        """Go to the next object that is not reviewed."""
        self.corrections.sync()
        self._go(self._following(), "Everything in this list is reviewed.")

    def previous(self) -> None:
        """Go back to the object before."""
        self.corrections.sync()
        self._go(step(self.queued(), self.current, forward=False), "This is the first object of the list.")

    def accept(self) -> None:
        """Accept the chosen object and go on."""
        self._decide("accept")

    def reject(self) -> None:
        """Reject the chosen object and go on."""
        self._decide("reject")

    def skip(self) -> None:
        """Leave the chosen object for later and go on."""
        self._decide("skip")

    def close(self) -> None:
        """Stop the work, and begin no other."""
        self._closed = True
        self._jobs.close()

    def _decide(self, name: str) -> None:
        try:
            one = self.corrections.need_active()
            index = self._aim.target(one)
            self.current = one.task, index
            change = mark(one.tracked.objects, [index], _STATES[name], by=self.corrections.session.reviewer)
            self.corrections.apply(one, change, name)
        except CerberusError as error:
            self.corrections.said.emit(str(error), True)
            return
        following = self._following()
        if following is not None:
            self._go(following, "")

    def _following(self) -> Key | None:
        """The most urgent object that is open, or the nearest."""
        active = self.corrections.active
        if not self.from_here or active is None:
            return step(self.queued(), self.current)
        return nearest(self.queued(), self.current, self._here(active))

    def _here(self, active: TrackedLayer) -> tuple[float, float]:
        """The middle of the current object, or else of what is seen, in pixels."""
        one = self._layers().get(self.current[0]) if self.current is not None else None
        box = None if one is None or self.current is None else one.box(self.current[1])
        if box is None:
            return view_centre(self.corrections.layers.viewer, active)
        (y0, x0), (y1, x1) = box
        return (y0 + y1) / 2, (x0 + x1) / 2

    def _go(self, key: Key | None, otherwise: str) -> None:
        one = self._layers().get(key[0]) if key is not None else None
        if key is None or one is None:
            self.corrections.said.emit(otherwise, False)
            return
        self.current = key
        self.corrections.layers.viewer.layers.selection.active = one.layer
        self.corrections.choose(one, key[1])
        look_at(self.corrections.layers.viewer, one, key[1])
        self.changed.emit()

    # -- keeping up ------------------------------------------------------------------------------

    def _layers(self) -> dict[str, TrackedLayer]:
        active = self.corrections.active
        return {} if active is None else self.corrections.siblings(active)

    def _on_active(self) -> None:
        active = self.corrections.active
        place = () if active is None else active.place
        if place != self._place:
            self._place, self.current = place, None
            if place and place not in self._findings:
                self.look_for_reasons()
            self._refresh()
        elif active is not None and active.selected:
            self.current = active.task, active.selected
            self.changed.emit()

    def _on_changed(self, one: TrackedLayer, change: ChangeSet) -> None:
        self._refresh()

    def _on_detached(self, one: TrackedLayer) -> None:
        self._refresh()

    def _refresh(self) -> None:
        self._objects = self._queued = None
        self.changed.emit()

    def _start(self, layers: Mapping[str, TrackedLayer]) -> None:
        place, self._wanted = self._place, None
        record = next(iter(layers.values())).record
        frozen = partial(
            AnnotatedImage,
            frame=record.frame,
            pixel_size=record.pixel_size,
            labels={task: one.tracked.labels.copy() for task, one in layers.items()},
            objects=pd.concat([one.tracked.objects for one in layers.values()], ignore_index=True),
            tissue=next((one.record.tissue for one in layers.values() if one.record.tissue), {}),
        )
        self._jobs.start(
            lambda: _look(frozen), on_progress=lambda step: None, on_end=lambda end: self._on_end(place, end)
        )

    def _on_end(self, place: tuple[Any, ...], end: End) -> None:
        if isinstance(end, Returned):
            self._findings[place] = end.result
            self._refresh()
        elif isinstance(end, Failed):
            self.corrections.said.emit(str(end.error), True)
        if self._wanted is not None:
            self.look_for_reasons()


def _look(frozen: Callable[[], AnnotatedImage]) -> Job[pd.DataFrame]:
    yield Progress("Looking for reasons to review")
    return find(frozen())


def _words(row: Any) -> str:
    """Confidence, findings and state of an object as sentences."""
    sure = row["confidence"]
    confidence = "No model made this object." if pd.isna(sure) else f"The model is {sure:.0%} sure of it."
    state = "" if row["state"] == UNREVIEWED else f" You {_PAST.get(row['state'], row['state'])} it."
    return f"{row['reasons']} {confidence}{state}".strip()


_PAST = {ACCEPTED: "accepted", REJECTED: "rejected", SKIPPED: "skipped"}
