"""Says that shown results were made with another pixel size than the image has now."""

from __future__ import annotations

import math
from typing import Any

from ..layers import ViewerLayers
from ..session import JobState, JobStatus, Session
from .image_region import fingerprint, why_not

_OF_THE_OLD = (
    "The results shown are of {old:g} µm/px, and the image has {new:g} µm/px now: sizes and counts do not hold; "
    "click Annotate again."
)
_SAME = 0.005
"""Sizes that differ by less, as a share, are the same."""


class OlderResults:
    """Writes ``Session.results_note``.

    Parameters
    ----------
    session : Session
    layers : ViewerLayers
    """

    def __init__(self, session: Session, layers: ViewerLayers) -> None:
        self._session, self._layers = session, layers
        for signal in (session.events.pixel_size, session.events.image_id, session.events.readout):
            signal.connect(self._compare)
        session.events.job.connect(self._on_job)

    def _on_job(self, status: JobStatus) -> None:
        if status.state is JobState.RETURNED:
            self._compare()

    def _compare(self, *_: Any) -> None:
        size, image = self._session.pixel_size, self._layers.find(self._session.image_id)
        note = ""
        if size is not None and image is not None and not why_not(image):
            for _, record in self._layers.annotation_of(fingerprint(image)):
                old = record.pixel_size_um / (sum(record.factors) / 2)
                if not math.isclose(old, size.mean_um, rel_tol=_SAME):
                    note = _OF_THE_OLD.format(old=old, new=size.mean_um)
        self._session.results_note = note
