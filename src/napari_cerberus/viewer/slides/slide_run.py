"""A whole slide annotated beside the window: started, paused, gone on with, and its least certain fields opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from psygnal import Signal

from ...errors import CerberusError, DataError, ImageError
from ...pixel_size import PixelSize
from ...progress import Job, Progress
from ..correct.sight.camera import camera_of
from ..layers import ViewerLayers
from ..session import JobState, JobStatus, Region, Session
from ..worker import Cancelled, End, Failed, JobRunner

if TYPE_CHECKING:
    from ...model.checkpoint import Model
    from ...slides.annotating import SlideResult
    from ...slides.fields import Field

OpenModel = Callable[[str], "Model"]
PAUSED = "Paused: what was done is kept. Choose the same folder to go on."
OBJECTS_STAGE = "Finding objects"
_FIELD_SHARE, _EVERY_BLOCKS = 0.8, 8


class SlideRun:
    """The run of one dock.

    Attributes
    ----------
    changed : Signal
        ``status`` or ``fields`` is another.
    status : JobStatus
    fields : tuple of Field
        Of the last finished run, the least certain first.

    Parameters
    ----------
    session : Session
    layers : ViewerLayers
    open_model : callable
    annotate : callable
        Annotates the chosen region, as the button does.
    """

    changed = Signal()

    def __init__(
        self, session: Session, layers: ViewerLayers, open_model: OpenModel, annotate: Callable[[], None]
    ) -> None:
        self._session, self._layers, self._open_model, self._annotate = session, layers, open_model, annotate
        self._jobs = JobRunner("Annotation of the slide")
        self._folder, self._image_id = Path(), ""
        self._shown_blocks = -1
        self.status = JobStatus()
        self.fields: tuple[Field, ...] = ()

    def slide_path(self) -> Path | None:
        """File of the chosen image, where it is a slide that we opened."""
        from ..io.slide_reader import SLIDE_KEY

        layer = self._layers.find(self._session.image_id)
        about = None if layer is None else layer.metadata.get(SLIDE_KEY)
        return Path(about["path"]) if isinstance(about, dict) else None

    def start(self, folder: Path) -> None:
        """Annotate the chosen slide into a folder, or go on there; a problem is shown, not raised."""
        path, size = self.slide_path(), self._session.pixel_size
        try:
            if path is None:
                raise ImageError("Choose a whole slide first; open it with File ▸ Open.")
            if size is None:
                raise ImageError(self._session.image_problem or "Say first how large a pixel is.")
            job = _job(path, folder, size, self._session, self._open_model)
            self._jobs.start(job, on_progress=self._on_progress, on_end=self._on_end)
        except CerberusError as error:
            self._say(JobState.FAILED, str(error))
            return
        self._folder, self._image_id, self._shown_blocks = folder, self._session.image_id, -1
        self._set(JobStatus(state=JobState.RUNNING, stage="Starting"))

    def pause(self) -> None:
        """Stop at the next heartbeat; the blocks that are done are kept."""
        if self._jobs.busy:
            self._jobs.cancel()
            self._set(JobStatus(state=JobState.CANCELLING, stage="Pausing"))

    def look(self, folder: Path) -> None:
        """Show an annotation of a slide: layers and its least certain fields; a problem is shown, not raised."""
        from ...slides.fields import is_run

        try:
            if not is_run(folder):
                raise DataError(f"{folder} holds no annotation of a slide.")
            self._show(folder)
        except CerberusError as error:
            self._say(JobState.FAILED, str(error))

    def open_field(self, number: int) -> None:
        """Make a field a region: look at it, and annotate it for correction."""
        layer = self._layers.find(self._image_id) or self._layers.find(self._session.image_id)
        if layer is None:
            self._say(JobState.FAILED, "The slide was removed; open it again.")
            return
        window = self.fields[number].window
        corners = np.array([[window.y0, window.x0], [window.y1 - 1, window.x1 - 1]], dtype=float)
        self._layers.draw_rectangle(layer)
        self._layers.put_rectangle(layer, corners)
        _look_between(self._layers.viewer, np.array([layer.data_to_world(corner) for corner in corners]))
        self._session.image_id = str(layer.unique_id)
        self._session.region = Region.RECTANGLE
        self._annotate()

    def close(self) -> None:
        """Stop the work and wait for it; what was done is kept. Safe to call twice."""
        self._jobs.close()

    def _on_progress(self, step: Progress) -> None:
        message = step.message or self.status.message
        stage = f"{step.stage}: {step.done:,} of {step.total:,} tiles" if step.total else step.stage
        if step.stage == OBJECTS_STAGE and step.done != self._shown_blocks:
            self._show_so_far(step.done)
        self._set(JobStatus(state=JobState.RUNNING, stage=stage, fraction=step.fraction, message=message))

    def _on_end(self, end: End) -> None:
        if isinstance(end, Failed):
            self._say(JobState.FAILED, str(end.error))
        elif isinstance(end, Cancelled):
            self._say(JobState.CANCELLED, PAUSED)
        else:
            self.look(self._folder)
            self._say(JobState.RETURNED, _sentence(end.result))

    def _show_so_far(self, blocks: int) -> None:
        """Objects appear while the run goes on; what is in view is drawn again after some blocks."""
        from ..io.slide_results import RUN_KEY

        if blocks - self._shown_blocks < _EVERY_BLOCKS and self._shown_blocks >= 0:
            return
        first, self._shown_blocks = self._shown_blocks < 0, blocks
        if first:
            self.look(self._folder)
            return
        for layer in self._layers.viewer.layers:
            about = (layer.metadata or {}).get(RUN_KEY)
            if about and about["folder"] == str(self._folder) and layer.visible:
                layer.refresh()

    def _show(self, folder: Path) -> None:
        from ...slides.fields import is_finished, least_certain_fields
        from ..io.slide_results import RUN_KEY, read_slide_result

        shown = {
            one.metadata[RUN_KEY]["folder"] for one in self._layers.viewer.layers if RUN_KEY in (one.metadata or {})
        }
        names = {one.name for one in self._layers.viewer.layers if str(folder) in shown}
        for levels, details, _kind in read_slide_result(str(folder)):
            if details["name"] not in names:
                self._layers.add_beside_the_point(Labels(levels, **details))
        if is_finished(folder):
            self.fields = least_certain_fields(folder)
            self.changed.emit()

    def _say(self, state: JobState, message: str) -> None:
        self._set(JobStatus(state=state, message=message))

    def _set(self, status: JobStatus) -> None:
        self.status = status
        self.changed.emit()


def _job(
    path: Path, folder: Path, size: PixelSize, session: Session, open_model: OpenModel
) -> Callable[[], Job[SlideResult]]:
    """The form, frozen."""
    name, device, sensitivity = session.model_name, session.device, session.sensitivity

    def run() -> Job[SlideResult]:
        yield Progress("Loading the model")
        from ...inference.annotate_settings import AnnotateSettings
        from ...slides.annotating import annotate_slide
        from ...slides.files.opening import open_slide

        settings = AnnotateSettings(pixel_size_um=size, device=device, sensitivity=sensitivity)
        return (yield from annotate_slide(open_slide(path), open_model(name), settings, folder))

    return run


def _sentence(result: SlideResult) -> str:
    found = f"{result.objects:,} objects on {result.tissue_mm2:.2f} mm² of tissue ({result.seconds:.0f} s)"
    return " ".join((f"{found}, in {result.folder}.", *result.notes))


def _look_between(viewer: Any, world: np.ndarray[Any, Any]) -> None:
    camera, canvas = camera_of(viewer), getattr(viewer, "canvas", None)
    size = min(canvas.size) if canvas is not None else 600.0
    camera.center = (0.0, *world.mean(axis=0)[-2:].tolist())
    camera.zoom = _FIELD_SHARE * float(size) / max(float(np.abs(world[1] - world[0]).max()), 1e-6)
