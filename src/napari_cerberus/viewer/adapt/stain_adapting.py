"""Adapt to this stain: a copy of the chosen model that knows the stain of some images, made beside the window."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from ...errors import CerberusError, ImageError, ModelError
from ...pixel_size import PixelSize
from ...progress import Job, Progress
from ..annotate.image_region import why_not
from ..annotate.layer_brightness import brightness_value
from ..layers import ViewerLayers
from ..session import JobState, JobStatus, Session
from ..worker import Cancelled, End, Failed, JobRunner
from .stain_jobs import OpenPicture, StainOrder, adapt_and_keep

if TYPE_CHECKING:
    from ...model.checkpoint import Model
    from ...model.library.entries import ModelEntry

MakeJob = Callable[[StainOrder, Callable[[str], "Model"]], "Job[ModelEntry]"]


class StainSource(StrEnum):
    """Which images show the stain."""

    CHOSEN = "chosen"
    OPEN = "open"
    FOLDER = "folder"


class StainAdapting:
    """Runs one adaptation at a time.

    Attributes
    ----------
    status : JobStatus
    status_changed : Signal(JobStatus)
    kept : Signal(str)
        A model was added to the library, and is the chosen one; its name.

    Parameters
    ----------
    session : Session
    layers : ViewerLayers
    size_of : callable
        Pixel size of an image layer.
    choose_model : callable
        Makes a model the chosen one, by its name.
    open_model : callable
        Gives a model by name; called in the worker.
    make_job : callable
        Tests have another.
    """

    status_changed = Signal(object)
    kept = Signal(str)

    def __init__(
        self,
        session: Session,
        layers: ViewerLayers,
        size_of: Callable[[Any], PixelSize],
        choose_model: Callable[[str], None],
        open_model: Callable[[str], Model],
        make_job: MakeJob = adapt_and_keep,
    ) -> None:
        self._session, self._layers, self._size_of = session, layers, size_of
        self._choose_model, self._open_model, self._make_job = choose_model, open_model, make_job
        self._jobs = JobRunner("Adapting to a stain")
        self.status = JobStatus()
        session.events.image_id.connect(self._on_image_chosen)

    @property
    def parent(self) -> str:
        """The model that the chosen one is an adaptation of, where it is still there; else empty."""
        chosen = self._session.model
        parent = "" if chosen is None else chosen.adapted_from
        return parent if parent in {model.name for model in self._session.models} else ""

    def adapt(self, name: str, source: StainSource, folder: Path | None = None) -> None:
        """Adapt the chosen model, keep the copy under ``name`` and choose it; a problem is told, not raised."""
        if self._jobs.busy:
            return
        try:
            order = self._order(name, source, folder)
            self._jobs.start(
                lambda: self._make_job(order, self._open_model), on_progress=self._on_progress, on_end=self._on_end
            )
        except CerberusError as error:
            self._fail(error)
            return
        self._tell(JobStatus(state=JobState.RUNNING, stage="Starting"))

    def back(self) -> None:
        """Choose the model that the chosen one was adapted from."""
        if parent := self.parent:
            self._choose_model(parent)
            self._tell(JobStatus(state=JobState.RETURNED, fraction=1.0, message=f"“{parent}” annotates again."))

    def cancel(self) -> None:
        """Stop at the next step; nothing is kept."""
        if self._jobs.busy:
            self._jobs.cancel()
            self._tell(JobStatus(state=JobState.CANCELLING, stage="Cancelling"))

    def close(self) -> None:
        """Stop the work and wait for it. Safe to call twice."""
        self._jobs.close()

    def _order(self, name: str, source: StainSource, folder: Path | None) -> StainOrder:
        """Raises ``CerberusError``."""
        if self._session.model is None:
            raise ModelError("No model is chosen; wait until the models are listed.")
        chosen = self._layers.find(self._session.image_id)
        layers = [] if chosen is None else [chosen]
        if source is StainSource.OPEN:
            layers = [self._layers.find(key) for key, _ in self._layers.images()]
        elif source is StainSource.FOLDER:
            layers = []
        pictures = tuple(_picture(layer, self._size_of(layer)) for layer in layers if not why_not(layer))
        if source is not StainSource.FOLDER and not pictures:
            raise ImageError("No colour image is open; open an H&E image first.")
        return StainOrder(
            model_name=self._session.model_name,
            name=name.strip(),
            pictures=pictures,
            folder=folder if source is StainSource.FOLDER else None,
            pixel_size=self._session.pixel_size,
        )

    def _on_progress(self, step: Progress) -> None:
        self._tell(JobStatus(state=JobState.RUNNING, stage=step.stage, fraction=step.fraction))

    def _on_end(self, end: End) -> None:
        if isinstance(end, Failed):
            self._fail(end.error)
        elif isinstance(end, Cancelled):
            self._tell(JobStatus(state=JobState.CANCELLED, message="Cancelled; nothing was changed."))
        else:
            name = str(end.result.name)
            words = f"“{name}” annotates from now on. Annotate again, and compare: nobody has tested it."
            self._tell(JobStatus(state=JobState.RETURNED, fraction=1.0, message=words))
            self._choose_model(name)
            self.kept.emit(name)

    def _on_image_chosen(self, _unique_id: str) -> None:
        if not self.status.state.busy:
            self._tell(JobStatus())

    def _fail(self, error: CerberusError) -> None:
        self._tell(JobStatus(state=JobState.FAILED, message=str(error)))

    def _tell(self, status: JobStatus) -> None:
        self.status = status
        self.status_changed.emit(status)


def _picture(layer: Any, pixel_size: PixelSize) -> OpenPicture:
    return OpenPicture(
        pixels=layer.data[0] if layer.multiscale else layer.data,
        pixel_size=pixel_size,
        name=str(layer.name),
        full_brightness=brightness_value(layer),
    )
