"""What an earlier session left of an image is offered again, whatever the image is called now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from psygnal import Signal

from ...annotation.journal import Replay, find_journals
from ...annotation.journal.record import RESULT, Record
from ...pixel_size import PixelSize
from ..annotate.image_region import fingerprint, why_not
from ..layer_features import features_of
from ..layer_provenance import FINISHED, MODEL_LABELS, LayerRecord
from ..layers import labels_layer
from ..placement import placement
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
        layers = [one for task in replay.labels if (one := self._restore(replay, task, image, size)) is not None]
        self._autosave.resume(layers, replay.path)
        self._corrections.attach_all()
        self._corrections.said.emit(f"Restored {len(replay.records):,} changes.", False)

    def _restore(self, replay: Replay, task: str, image: Any, size: PixelSize) -> TrackedLayer | None:
        record = _record(replay, task, image, size)
        objects = replay.objects(task, record.pixel_size_um)
        top, left, _, _ = replay.frame.region
        where = placement(image, (top, left), record.factors)
        display, layers = self._session.display, self._corrections.layers
        layer = labels_layer(task, replay.labels[task], objects, display, name=f"{image.name} {task}", **where)
        layer.features = features_of(objects)
        finished = [area.to_json() for area in replay.finished]
        layer.metadata = {MODEL_LABELS: replay.model_labels[task], FINISHED: finished}
        layers.put(layer, record)
        return self._corrections.attach(layer)

    def _image(self) -> Any | None:
        image = self._corrections.layers.find(self._session.image_id)
        return None if image is None or why_not(image) else image


def _record(replay: Replay, task: str, image: Any, size: PixelSize) -> LayerRecord:
    rows, columns = (image.data[0] if image.multiscale else image.data).shape[:2]
    factors = rows / replay.frame.image_height_px, columns / replay.frame.image_width_px
    results: list[Record] = [one for one in replay.records if one.task == task and one.kind == RESULT]
    last = results[-1] if results else None
    return LayerRecord(
        task=task,
        image_fingerprint=fingerprint(image),
        image_name=str(image.name),
        image_path=str(image.source.path or ""),
        region=replay.frame.region,
        factors=factors,
        pixel_size_um=size.mean_um * sum(factors) / 2,
        pixel_size_source=size.source.value,
        model_name=last.model_name if last else "",
        model_sha256=last.model_sha256 if last else "",
        device="",
        precision="",
        sensitivity=0.0,
        tissue=last.tissue if last else {},
        made_at=last.at if last else "",
    )
