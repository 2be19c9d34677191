"""What an earlier session left of an image is offered again, whatever the image is called now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from psygnal import Signal

from ...annotation.annotated_image import AnnotatedImage
from ...annotation.journal import Replay, find_journals
from ...annotation.journal.record import RESULT
from ...pixel_size import PixelSize
from ..annotate.image_region import fingerprint, image_path, why_not
from ..annotated_layers import layer_of
from ..layer_provenance import LayerRecord
from ..session import Session
from .autosave import Autosave
from .tracked_layer import TrackedLayer
from .tracked_layers import Corrections


class Restoring:
    """Holds at most one offer, about the chosen image.

    Attributes
    ----------
    offer : Replay or None
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
        self.offer: Replay | None = None
        self._declined: set[Path | None] = set()
        session.events.image_id.connect(self.look)
        self.look()

    @property
    def sentence(self) -> str:
        """What there is to restore, in words."""
        if self.offer is None:
            return ""
        last = self.offer.records[-1]
        edits = sum(record.kind != RESULT for record in self.offer.records)
        changes = f"{edits:,} change{'' if edits == 1 else 's'}"
        return f"You corrected this image before ({changes}, the last on {last.at[:10]}). {self.offer.problem}".strip()

    def look(self) -> None:
        """See whether the chosen image has a journal that is not open here."""
        self.offer = None
        image = self._image()
        if self._autosave.root is not None and image is not None:
            mark = fingerprint(image)
            here = any(one.record.image_fingerprint == mark for one in self._corrections)
            found = [] if here else find_journals(self._autosave.root, mark)
            self.offer = next((replay for replay in found if replay.path not in self._declined), None)
        self.offer_changed.emit()

    def decline(self) -> None:
        """Leave the journal where it is; another of the same image is offered next."""
        if self.offer is not None:
            self._declined.add(self.offer.path)
        self.look()

    def accept(self) -> None:
        """Bring the layers back as they were left, and go on with their journal."""
        replay, image, size = self.offer, self._image(), self._session.pixel_size
        self.offer = None
        self.offer_changed.emit()
        if replay is None or image is None or size is None:
            return
        annotated = _annotated(replay, image, size)
        layers = [one for task in annotated.labels if (one := self._restore(annotated, task, image)) is not None]
        self._autosave.resume(layers, replay.path)
        self._corrections.attach_all()
        self._corrections.said.emit(f"Restored {len(replay.records):,} changes.", False)

    def _restore(self, annotated: AnnotatedImage, task: str, image: Any) -> TrackedLayer | None:
        display, layers = self._session.display, self._corrections.layers
        layer = layer_of(annotated, task, image, display)
        layers.put(layer, LayerRecord.of(annotated, task))
        return self._corrections.attach(layer)

    def _image(self) -> Any | None:
        image = self._corrections.layers.find(self._session.image_id)
        return None if image is None or why_not(image) else image


def _annotated(replay: Replay, image: Any, size: PixelSize) -> AnnotatedImage:
    """What a journal holds, under the name that the image has now."""
    rows, columns = (image.data[0] if image.multiscale else image.data).shape[:2]
    factors = rows / replay.frame.image_height_px, columns / replay.frame.image_width_px
    annotated = replay.annotated(size.scaled(*factors))
    frame = replace(annotated.frame, image_key=fingerprint(image), image_name=str(image.name))
    return replace(annotated, frame=frame, factors=factors, image_path=image_path(image))
