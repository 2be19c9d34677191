"""What an earlier session left of an image is offered again, whatever the image is called now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from psygnal import Signal

from ...annotation.annotated_image import AnnotatedImage
from ...annotation.frame import Region
from ...annotation.journal import Replay, find_journals
from ...annotation.journal.record import RESULT, SNAPSHOT
from ...pixel_size import PixelSize
from ..annotate.image_region import fingerprint, image_path, why_not
from ..annotated_layers import layer_of
from ..layer_provenance import LayerRecord, finished_of
from ..placement import size_of
from ..session import Session
from .autosave import Autosave
from .tracked_layer import TrackedLayer
from .tracked_layers import Corrections

_SEEN = ["class", "state"]
"""What a person changes in the table."""


class Restoring:
    """Offers what the chosen image has: of each part of it the newest journal, all of them together.

    Attributes
    ----------
    offers : tuple of Replay
        The newest first.
    offer_changed : Signal
        There is an offer now, or there is none any more.

    Parameters
    ----------
    corrections : Corrections
    autosave : Autosave
    session : Session
    """

    offer_changed = Signal()

    def __init__(self, corrections: Corrections, autosave: Autosave, session: Session) -> None:
        self._corrections, self._autosave, self._session = corrections, autosave, session
        self.offers: tuple[Replay, ...] = ()
        self._declined: set[Path | None] = set()
        session.events.image_id.connect(self.look)
        corrections.attached.connect(self._on_attached)
        self.look()

    @property
    def offer(self) -> Replay | None:
        """The newest that can be restored."""
        return self.offers[0] if self.offers else None

    @property
    def sentence(self) -> str:
        """What there is to restore, in words."""
        if self.offer is None:
            return ""
        changes = _changes(self.offers)
        where = "this image" if len(self.offers) == 1 else f"{len(self.offers)} parts of this image"
        problem = next((replay.problem for replay in self.offers if replay.problem), "")
        last = self.offer.records[-1].at[:10]
        return f"You corrected {where} before ({changes}, the last on {last}). {problem}".strip()

    def look(self) -> None:
        """See whether the chosen image has journals that are not open here: of each part of it the newest."""
        offers: dict[Region, Replay] = {}
        image = self._image()
        if self._autosave.root is not None and image is not None:
            mark = fingerprint(image)
            here = {tuple(one.record.region) for one in self._corrections if one.record.image_fingerprint == mark}
            for replay in find_journals(self._autosave.root, mark):
                if replay.frame.region not in here and replay.path not in self._declined:
                    offers.setdefault(replay.frame.region, replay)
        self._set(tuple(offers.values()))

    def decline(self) -> None:
        """Leave the journals where they are; older ones of the same image are offered next."""
        self._declined |= {replay.path for replay in self.offers}
        self.look()

    def accept(self) -> None:
        """Bring the layers back as they were left, and go on with their journals."""
        offers, image, size = self.offers, self._image(), self._session.pixel_size
        self._set(())
        if not offers or image is None or size is None:
            return
        for replay in offers:
            annotated = _annotated(replay, image, size)
            layers = [one for task in annotated.labels if (one := self._restore(annotated, task, image)) is not None]
            self._autosave.resume(layers, replay.path)
        self._corrections.attach_all()
        self._corrections.said.emit(f"Restored {_changes(offers)}.", False)

    def _on_attached(self, one: TrackedLayer) -> None:
        """A saved annotation that was opened may be all that a journal would bring back."""
        left = tuple(replay for replay in self.offers if not self._is_open(replay))
        if left != self.offers:
            self._set(left)

    def _is_open(self, replay: Replay) -> bool:
        mine = (replay.frame.image_key, tuple(replay.frame.region))
        here = {
            one.task: one
            for one in self._corrections
            if (one.record.image_fingerprint, tuple(one.record.region)) == mine
        }
        return all(task in here and _same(replay, here[task]) for task in replay.labels)

    def _set(self, offers: tuple[Replay, ...]) -> None:
        self.offers = offers
        self.offer_changed.emit()

    def _restore(self, annotated: AnnotatedImage, task: str, image: Any) -> TrackedLayer | None:
        display, layers = self._session.display, self._corrections.layers
        layer = layer_of(annotated, task, image, display)
        layers.put(layer, LayerRecord.of(annotated, task))
        return self._corrections.attach(layer)

    def _image(self) -> Any | None:
        image = self._corrections.layers.find(self._session.image_id)
        return None if image is None or why_not(image) else image


def _changes(offers: Iterable[Replay]) -> str:
    """How often the user changed something, undoing included, in words."""
    count = sum(record.kind not in (RESULT, SNAPSHOT) for replay in offers for record in replay.records)
    return f"{count:,} change{'' if count == 1 else 's'}"


def _same(replay: Replay, one: TrackedLayer) -> bool:
    """Whether a layer shows what a journal ends with: pixels, classes, decisions and finished areas."""
    if not np.array_equal(replay.labels[one.task], one.tracked.labels):
        return False
    kept = replay.objects(one.task, one.record.pixel_size_um).set_index("index")[_SEEN]
    shown = one.tracked.objects.set_index("index")[_SEEN]
    return kept.sort_index().equals(shown.sort_index()) and replay.finished == finished_of(one.layer)


def _annotated(replay: Replay, image: Any, size: PixelSize) -> AnnotatedImage:
    """What a journal holds, under the name that the image has now."""
    rows, columns = size_of(image)
    factors = rows / replay.frame.image_height_px, columns / replay.frame.image_width_px
    annotated = replay.annotated(size.scaled(*factors))
    frame = replace(annotated.frame, image_key=fingerprint(image), image_name=str(image.name))
    return replace(annotated, frame=frame, factors=factors, image_path=image_path(image))
