"""Behind the button Why? of the tissue readout: what the image resembles, and what hiding a part of it changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from ...annotation.edits.window import window_around
from ...errors import CerberusError, EditError, ImageError
from ...interop.outlines import shapes_of
from ...progress import Progress
from ..annotate.annotation_result import Answer
from ..annotate.image_region import fingerprint, read_again, why_not
from ..correct.sight.aim import Aim
from ..correct.tracked_layers import Corrections
from ..layer_provenance import LayerRecord
from ..placement import Box, placement
from ..session import Session
from ..worker import Cancelled, End, Failed, JobRunner
from .hidden_parts import HiddenParts
from .hiding_job import Hidden, HidingOrder, read_hidden

if TYPE_CHECKING:
    from ...inference.reasons.resemblance import Resemblance

_NO_READOUT = "There is no tissue readout to ask about; annotate the image first."
_ANOTHER = "This object belongs to another result; choose one of the result that is shown."
_NO_TILES = "This model keeps no tiles that it learned from, so there is nothing to compare with."


@dataclass(frozen=True, kw_only=True)
class Why:
    """What the panel shows.

    Attributes
    ----------
    resemblance : Resemblance or None
    no_resemblance : str
        Why there is none; empty while it is being looked for.
    parts : int
        Number of hidden parts.
    hidden : Hidden or None
        What was read with them hidden.
    stage : str
        What is being read now; empty when nothing is.
    problem : str
    """

    resemblance: Resemblance | None = None
    no_resemblance: str = ""
    parts: int = 0
    hidden: Hidden | None = None
    stage: str = ""
    problem: str = ""


@dataclass(frozen=True)
class _Source:
    """The result that is asked about, and its image."""

    image: Any
    record: LayerRecord
    resemblance: Resemblance | None = field(compare=False)

    @property
    def shape(self) -> tuple[int, int]:
        return Box(**dict(zip(("y0", "x0", "y1", "x1"), self.record.region, strict=True))).shape

    @property
    def where(self) -> dict[str, Any]:
        return placement(self.image, (self.record.region[0], self.record.region[1]), self.record.factors)


class TissueReasons:
    """Follows the readout that is shown; a new one starts afresh.

    Attributes
    ----------
    why : Why
    changed : Signal

    Parameters
    ----------
    session : Session
    corrections : Corrections
    aim : Aim
        Knows which object is chosen.
    answers : mapping of image id to Answer
        Fresh results.
    open_model : callable
        A model by its name.
    read : callable
        Makes the job; tests pass a fake one.
    """

    changed = Signal()

    def __init__(
        self,
        session: Session,
        corrections: Corrections,
        aim: Aim,
        answers: Mapping[str, Answer],
        open_model: Callable[[str], Any],
        read: Callable[..., Any] = read_hidden,
    ) -> None:
        self._session, self._corrections, self._aim = session, corrections, aim
        self._answers, self._open_model, self._read = answers, open_model, read
        self._layers = corrections.layers
        self.parts = HiddenParts(self._layers)
        self.why = Why()
        self._jobs = JobRunner("Reading hidden parts")
        self._again = False
        self.parts.changed.connect(self._on_parts)
        session.events.readout.connect(self._start_afresh)

    def ask(self) -> None:
        """Look for what the image resembles: at once for a fresh result, by reading the image for a kept one."""
        source = self._source()
        if source is None:
            self._set(Why(problem=_NO_READOUT))
        elif source.resemblance is not None:
            self._set(replace(self.why, resemblance=source.resemblance))
        elif self.why.resemblance is None and not self.why.no_resemblance:
            self._start()

    def hide_object(self) -> None:
        """Hide the object that is chosen."""
        try:
            source, one = self._need_source(), self._corrections.need_active()
            if one.place != source.record.place[1:]:
                raise EditError(_ANOTHER)
            index = self._aim.target(one)
            window = window_around(one.tracked.labels, index)
            pieces = shapes_of(window.mask(index), y0=window.top, x0=window.left)
            corners = [np.array([(y, x) for x, y in piece.outer], float) - 0.5 for piece in pieces]
            self.parts.add(corners, source.where)
        except CerberusError as error:
            self._set(replace(self.why, problem=str(error)))

    def hide_rectangle(self) -> None:
        """Let the user pull a rectangle, and hide it."""
        try:
            self.parts.draw(self._need_source().where)
        except CerberusError as error:
            self._set(replace(self.why, problem=str(error)))

    def put_away(self) -> None:
        """The panel was closed: show everything again, and read no more."""
        self._again = False
        self._jobs.cancel()
        self.parts.clear()

    def close(self) -> None:
        """Stop, and let go of the viewer. Safe to call twice."""
        self._jobs.close()
        self.parts.close()

    # -- inside ----------------------------------------------------------------------------------

    def _source(self) -> _Source | None:
        session, readout = self._session, self._session.readout
        image = self._layers.find(session.image_id)
        if image is None or why_not(image) or readout is None or not readout.tissue:
            return None
        answer = self._answers.get(session.image_id)
        if answer is not None and answer.readout == readout:
            return _Source(image, answer.record, answer.annotation.resemblance)
        records = [record for _, record in self._layers.annotation_of(fingerprint(image))]
        return next((_Source(image, record, None) for record in records if record.tissue), None)

    def _need_source(self) -> _Source:
        source = self._source()
        if source is None:
            raise ImageError(_NO_READOUT)
        return source

    def _on_parts(self) -> None:
        self._set(replace(self.why, parts=len(self.parts), hidden=None, problem=""))
        if len(self.parts):
            self._start()
        else:
            self._jobs.cancel()

    def _start_afresh(self, *_: Any) -> None:
        self.put_away()
        self._set(Why())

    def _start(self) -> None:
        """Read the image with what is hidden now; while it is being read, begin again afterwards."""
        if self._jobs.busy:
            self._again = True
            self._jobs.cancel()
            return
        try:
            order = self._order()
            self._jobs.start(
                partial(self._read, order, self._open_model),
                on_progress=self._on_progress,
                on_end=partial(self._on_end, self._session.readout),
            )
        except CerberusError as error:
            self._set(replace(self.why, problem=str(error), stage=""))

    def _order(self) -> HidingOrder:
        if self._session.job.state.busy:
            raise ImageError("The image is being annotated; ask again when that has ended.")
        source = self._need_source()
        record = source.record
        y0, x0, y1, x1 = record.region
        return HidingOrder(
            read=read_again(source.image, Box(y0=y0, x0=x0, y1=y1, x1=x1), record.factors),
            pixel_size=record.pixel_size,
            model_name=record.model_name,
            model_sha256=record.model_sha256,
            device=self._session.device,
            hidden=self.parts.mask(source.shape),
        )

    def _on_progress(self, step: Progress) -> None:
        self._set(replace(self.why, stage=step.stage, problem=""))

    def _on_end(self, readout: Any, end: End) -> None:
        again, self._again = self._again, False
        if isinstance(end, Cancelled) or readout != self._session.readout:  # of another image, or of an older result
            self._set(replace(self.why, stage=""))
        elif isinstance(end, Failed):
            self._set(replace(self.why, stage="", problem=str(end.error)))
        else:
            self._take(end.result)
        if again:
            self._start()

    def _take(self, hidden: Hidden) -> None:
        alike = self.why.resemblance or hidden.resemblance
        if hidden.colour is not None:
            self.parts.paint(hidden.colour)
        shown = hidden if hidden.after else None
        self._set(
            replace(
                self.why,
                resemblance=alike,
                no_resemblance="" if alike is not None else _NO_TILES,
                hidden=shown,
                stage="",
            )
        )

    def _set(self, why: Why) -> None:
        if why != self.why:
            self.why = why
            self.changed.emit()
