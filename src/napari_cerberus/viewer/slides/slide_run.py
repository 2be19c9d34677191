"""A whole slide annotated beside the window: started, paused, gone on with, and its least certain fields opened."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from psygnal import Signal

from ...errors import CerberusError, DataError, ImageError
from ...pixel_size import PixelSize
from ...progress import Job, Progress
from ..annotate.image_region import fingerprint
from ..correct.sight.camera import camera_of
from ..layer_provenance import RUN_KEY
from ..layers import ViewerLayers
from ..session import JobState, JobStatus, Region, Session
from ..worker import Cancelled, End, Failed, JobRunner

if TYPE_CHECKING:
    from ...model.checkpoint import Model
    from ...slides.annotating import SlideResult
    from ...slides.fields import Field

OpenModel = Callable[[str], "Model"]
PAUSED = "Paused: what was done is kept. Press Annotate the slide … and choose the same folder to go on."
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
    finished : Path or None
        Folder of the finished run that is shown.
    writing : bool
        The work is to write outlines, not to annotate.

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
        self._slide_of_fields: Path | None = None
        self._shown_blocks = -1
        self.writing = False
        self.status = JobStatus()
        self.fields: tuple[Field, ...] = ()
        self.finished: Path | None = None
        session.events.image_id.connect(self._on_image_chosen)

    def slide_path(self) -> Path | None:
        """File of the chosen image, where it is a slide that we opened."""
        return _slide_file(self._layers.find(self._session.image_id))

    @property
    def is_of_chosen(self) -> bool:
        """Whether ``fields`` and ``finished`` are of the chosen slide."""
        return self.finished is not None and self.slide_path() == self._slide_of_fields

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
        self.writing = False
        self._set(JobStatus(state=JobState.RUNNING, stage="Starting"))

    def pause(self) -> None:
        """Stop at the next heartbeat; the blocks that are done are kept."""
        if self._jobs.busy:
            self._jobs.cancel()
            self._set(JobStatus(state=JobState.CANCELLING, stage="Pausing"))

    def look(self, folder: Path) -> None:
        """Show an annotation of the chosen slide: layers and least certain fields; a problem is shown, not raised."""
        self._look(folder, self._session.image_id)

    def _look(self, folder: Path, image_id: str) -> None:
        from ...slides.fields import is_run

        try:
            if not is_run(folder):
                raise DataError(f"{folder} holds no annotation of a slide.")
            self._show(folder, image_id)
        except CerberusError as error:
            self._say(JobState.FAILED, str(error))

    def show_field(self, number: int) -> None:
        """Look at a field and the objects of the run in it."""
        if (layer := self._slide()) is not None:
            corners = self._corners(number)
            _look_between(self._layers.viewer, np.array([layer.data_to_world(corner) for corner in corners]))
            self._show_objects(True)

    def open_field(self, number: int) -> None:
        """Make a field a region: look at it, and annotate it for correction.

        The run's own objects are hidden: what is corrected lies where they do.
        """
        self.show_field(number)
        if (layer := self._slide()) is None:
            return
        self._layers.draw_rectangle(layer)
        self._layers.put_rectangle(layer, self._corners(number))
        self._show_objects(False)
        self._session.image_id = str(layer.unique_id)
        self._session.region = Region.RECTANGLE
        self._annotate()

    def _slide(self) -> Any | None:
        """The slide's layer; None, and a sentence, where it was removed."""
        layer = self._layers.find(self._image_id) or self._layers.find(self._session.image_id)
        if layer is None:
            self._say(JobState.FAILED, "The slide was removed; open it again.")
        return layer

    def _corners(self, number: int) -> np.ndarray[Any, Any]:
        """Centres of a field's first and last pixel."""
        window = self.fields[number].window
        return np.array([[window.y0, window.x0], [window.y1 - 1, window.x1 - 1]], dtype=float)

    def _show_objects(self, shown: bool) -> None:
        """Show or hide the objects of the finished run; its maps stay as they are."""
        for layer in self._layers.viewer.layers:
            about = (layer.metadata or {}).get(RUN_KEY)
            if about and about["folder"] == str(self.finished) and about["task"]:
                layer.visible = shown

    def save_outlines(self, path: Path) -> None:
        """Write every object of the finished run as GeoJSON for QuPath, beside the window; a problem is shown."""
        folder = self.finished
        try:
            if folder is None:
                raise DataError("No finished annotation of a slide is open; annotate the slide, or open a result.")
            from ...slides.slide_geojson import write_slide_geojson

            ended = partial(self._on_written, path)
            self._jobs.start(lambda: write_slide_geojson(folder, path), on_progress=self._on_progress, on_end=ended)
        except CerberusError as error:
            self._say(JobState.FAILED, str(error))
            return
        self.writing = True
        self._set(JobStatus(state=JobState.RUNNING, stage="Writing outlines"))

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
            self._look(self._folder, self._image_id)
            self._say(JobState.RETURNED, _sentence(end.result))

    def _on_written(self, path: Path, end: End) -> None:
        if isinstance(end, Failed):
            self._say(JobState.FAILED, str(end.error))
        elif isinstance(end, Cancelled):
            self._say(JobState.CANCELLED, f"Stopped; {path.name} was not written.")
        else:
            self._say(JobState.RETURNED, f"{end.result:,} objects in {path}; drag it onto the slide in QuPath.")

    def _show_so_far(self, blocks: int) -> None:
        """Objects appear while the run goes on; what is in view is drawn again after some blocks."""
        if blocks - self._shown_blocks < _EVERY_BLOCKS and self._shown_blocks >= 0:
            return
        first, self._shown_blocks = self._shown_blocks < 0, blocks
        if first:
            self._look(self._folder, self._image_id)
            return
        for layer in self._layers.viewer.layers:
            about = (layer.metadata or {}).get(RUN_KEY)
            if about and about["folder"] == str(self._folder) and layer.visible:
                layer.refresh()

    def _show(self, folder: Path, image_id: str) -> None:
        from ...slides.fields import is_finished, least_certain_fields
        from ..io.slide_results import read_slide_result

        layer = self._layers.find(image_id)
        _check_slide(folder, layer)
        shown = {
            one.metadata[RUN_KEY]["folder"] for one in self._layers.viewer.layers if RUN_KEY in (one.metadata or {})
        }
        names = {one.name for one in self._layers.viewer.layers if str(folder) in shown}
        for levels, details, _kind in read_slide_result(str(folder)):
            if details["name"] not in names:
                self._layers.add_beside_the_point(Labels(levels, **details))
        if is_finished(folder):
            self.finished, self.fields = folder, least_certain_fields(folder)
            self._image_id, self._slide_of_fields = image_id, _slide_file(layer)
            self.changed.emit()

    def _on_image_chosen(self) -> None:
        """How a job on another slide ended says nothing of this one."""
        if not self.status.state.busy:
            self._set(JobStatus())

    def _say(self, state: JobState, message: str) -> None:
        self._set(JobStatus(state=state, message=message))

    def _set(self, status: JobStatus) -> None:
        self.status = status
        self.changed.emit()


def _slide_file(layer: Any | None) -> Path | None:
    """File of a layer that is a slide we opened."""
    from ..io.slide_reader import SLIDE_KEY

    about = None if layer is None else layer.metadata.get(SLIDE_KEY)
    return Path(about["path"]) if isinstance(about, dict) else None


def _check_slide(folder: Path, layer: Any | None) -> None:
    """Raises ``DataError`` where a layer is another slide than the one that was annotated into the folder."""
    from ...slides.slide_folder import RUN
    from ...strict_json import read_object

    about = read_object(folder / RUN)
    if _slide_file(layer) is not None and fingerprint(layer) != about.get("image_key"):
        raise DataError(f"{folder} is of another slide, “{about.get('slide')}”; open and choose that one first.")


def _job(
    path: Path, folder: Path, size: PixelSize, session: Session, open_model: OpenModel
) -> Callable[[], Job[SlideResult]]:
    """The form, frozen."""
    name, device, sensitivity = session.model_name, session.device, session.sensitivity

    def run() -> Job[SlideResult]:
        yield Progress("Loading the model")
        from ...inference.annotate_settings import AnnotateSettings
        from ...slides.annotating import annotate_slide
        from ...slides.slide_files.open_slide import open_slide

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
