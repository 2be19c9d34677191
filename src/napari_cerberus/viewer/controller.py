"""Between the panels and the viewer: turns choices into a request, runs it, and puts the answer where it belongs.

Panels call its methods and listen to ``session``; nothing else of the viewer side is theirs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_error, show_info, show_warning

from ..errors import CerberusError, ImageError
from ..pixel_size import PixelSize
from ..progress import Job, Progress
from .adapt.finishing import Finishing
from .adapt.learn_jobs import LearnJobs
from .adapt.learning import Learning
from .adapt.stain_adapting import StainAdapting
from .annotate.annotate_jobs import Annotator, Request, list_model_choices
from .annotate.annotation_result import Answer, added_sentence, as_corrected, readout_of_layers, summary_sentence
from .annotate.choices import NO_IMAGE, Choices
from .annotate.choices import read_pixel_size as read_size_of_file
from .annotate.image_region import fingerprint, take_region, why_not
from .annotate.model_loading import ModelLoading
from .annotate.model_lookup import ModelList, ModelLookup
from .annotate.older_results import OlderResults
from .annotate.stain_check import StainCheck
from .correct.autosave import journals_folder
from .correct.tracked_layer import TrackedLayer
from .correct.workbench import Correcting
from .export.exporter import Exporter
from .export.open_images import OpenImages
from .layer_events import LayerWatch
from .layers import ViewerLayers
from .placement import placement
from .preferences import Memory
from .problem_report import SessionLog
from .runs.fine_tuning import FineTuning
from .runs.model_library import Library
from .runs.next_images import NextImages
from .session import JobState, JobStatus, RunSummary, Session
from .slides.batch_run import BatchRun
from .slides.slide_run import SlideRun
from .why.tissue_reasons import TissueReasons
from .worker import Cancelled, End, Failed, JobRunner

CONTEXT_UM = 64.0
"""How much tissue is read around a region, so that objects at its edge are found as in the whole image."""
MERGE_FIRST = "You have corrected this image: choose what becomes of the new result."
_PUT_IN_PLACE = "The objects there were replaced in the layers of the whole; Ctrl+Z takes it back."

logger = logging.getLogger(__name__)


class Controller:
    """Owns session, choices, jobs and layers of one dock.

    Parameters
    ----------
    viewer : napari.Viewer, its public proxy, or napari.components.ViewerModel
    memory : Memory
    annotate : callable
        Makes the job for a request; tests pass a fake one.
    list_models : callable
        Makes the job that looks up the models.
    read_pixel_size : callable
        Reads a file's metadata.
    finetuning : FineTuning, optional
    learn_jobs : LearnJobs, optional
    """

    def __init__(
        self,
        viewer: Any,
        memory: Memory | None = None,
        *,
        annotate: Callable[[Request], Job[Any]] | None = None,
        list_models: ModelList = list_model_choices,
        read_pixel_size: Callable[[Path], PixelSize | None] = read_size_of_file,
        finetuning: FineTuning | None = None,
        learn_jobs: LearnJobs | None = None,
    ) -> None:
        self.session, self.log = Session(), SessionLog.of_package()
        self.layers = ViewerLayers(viewer)
        self.watch = LayerWatch(viewer)
        memory = memory if memory is not None else Memory.of_napari()
        self.choose = Choices(self.session, self.layers, self.watch, memory, read_pixel_size)
        lent: dict[str, Any] = {}
        annotator = Annotator(lent)
        self._annotate = annotate if annotate is not None else annotator
        self.loading = ModelLoading(self.session, annotator.load if annotate is None else None)
        self._jobs = JobRunner("Annotation")
        self._request: Request | None = None
        self._told_of = ""
        self._stop_reason = ""
        self._answers: dict[str, Answer] = {}
        self.library, self.finetuning = Library(), finetuning if finetuning is not None else FineTuning()
        self._lasts = memory.lasts
        journals = journals_folder() if memory.lasts else None
        self.correct = Correcting(self.layers, self.session, journals)
        corrections = self.correct.corrections
        self.finishing = Finishing(corrections, self.correct.autosave, self.correct.tools, self.correct.overlay)
        self.learning = Learning(
            self.session, self.correct, self.finishing, annotator.open, lent, lambda: self._jobs.busy, learn_jobs
        )
        self.lookup = ModelLookup(self.session, list_models, self.learning.lent_choices, self._fail)
        self.learning.by_itself = memory.preferences().learn_by_itself
        self.why = TissueReasons(self.session, corrections, self.correct.tools.aim, self._answers, annotator.open)
        self.stain = StainCheck(self.session, self.layers, self.watch)
        self.adapting = StainAdapting(
            self.session, self.layers, self.choose.pixel_size_of, self.choose.model, annotator.open
        )
        self._older = OlderResults(self.session, self.layers)
        candidates = OpenImages(self.layers, self.readout_of, self._pixel_size_of, self.correct)
        self.export = Exporter(self.session, candidates)
        for changed in (
            self.correct.corrections.attached,
            self.correct.corrections.run_walked,
            self.correct.rerun.offer_changed,
        ):
            changed.connect(self._show_readout)
        self.correct.corrections.changed.connect(self._show_counts)
        self.watch.image_removed.connect(self._on_image_removed)
        self.session.events.image_id.connect(self._on_image_chosen)
        self.session.events.export.connect(self._on_export)
        self.finetuning.model_made.connect(self.library.look)
        self.library.changed.connect(self._on_library)
        self.batch_run = BatchRun(self.session)
        self.next_images = NextImages(self.session, self.layers, annotator.open)
        self.slide_run = SlideRun(self.session, self.layers, annotator.open, self.annotate)
        self.learning.kept.connect(self.library.look)
        self.adapting.kept.connect(self.library.look)
        self.library.promoted_changed.connect(self.choose.model)
        self.library.renamed.connect(self._on_renamed)

    def look_up_models(self) -> None:
        """Fill the list of models, beside the window."""
        self.lookup.look()

    def look_for_runs(self) -> None:
        """Find the fine-tunes of earlier sessions; one that needs a look is shown."""
        if self._lasts:
            self.library.look()
            self.finetuning.look_and_show()

    def annotate(self) -> None:
        """Start annotating the chosen region with the chosen settings; a problem is shown, not raised."""
        if self._jobs.busy:
            return
        try:
            if self.learning.busy:
                raise CerberusError("The model is learning; annotate when that has ended, or cancel it.")
            request = self._freeze()
            self.loading.stop()
            self._jobs.start(lambda: self._annotate(request), on_progress=self._on_progress, on_end=self._on_end)
        except CerberusError as error:
            self._fail(error)
            return
        self._request, self._stop_reason = request, ""
        self.session.job = JobStatus(state=JobState.RUNNING, stage="Starting", message=request.picture.note)

    def cancel(self) -> None:
        """Stop the running annotation at its next step."""
        if self._jobs.busy:
            self._jobs.cancel()
            self.session.job = JobStatus(state=JobState.CANCELLING, stage="Cancelling")

    def show_tissue_map(self) -> None:
        """Add the coarse tissue map of the last run on the chosen image as a layer."""
        answer = self._answers.get(self.session.image_id)
        if answer is None or answer.annotation.tissue_map is None:
            return
        image = self._image()
        origin, factors = answer.cells(float(answer.annotation.tissue_map.spacing_px))
        where = placement(image, origin, factors)
        self.layers.add_tissue_map(answer.annotation, image, where, answer.record)

    def readout_of(self, image_id: str) -> RunSummary | None:
        """The last readout of an image layer: of the run that its result layers show, if there are any."""
        answer, image = self._answers.get(image_id), self.layers.find(image_id)
        shown = [] if image is None or why_not(image) else self.layers.annotation_of(fingerprint(image))
        waits = self.correct.rerun.offer is not None
        if answer is not None and (not shown or waits or answer.record.made_at in {one.made_at for _, one in shown}):
            return answer.readout if waits else as_corrected(answer.readout, shown)
        return readout_of_layers(image_id, shown) if shown else None

    def close(self) -> None:
        """Stop the work, wait for it, and let go of the viewer. Safe to call twice."""
        self._jobs.close()
        self.lookup.close()
        self.loading.close()
        self.learning.close()
        self.adapting.close()
        self.finishing.close()
        self.slide_run.close()
        self.why.close()
        self.batch_run.close()
        self.next_images.close()
        self.export.close()
        self.finetuning.close()
        self.library.close()
        self.correct.close()
        self.watch.close()
        self._answers.clear()

    def _pixel_size_of(self, image_id: str) -> PixelSize | None:
        """None where ``image_id`` is not the chosen image."""
        size = self.session.pixel_size
        return size if image_id == self.session.image_id else None

    def _image(self) -> Any:
        layer = self.layers.find(self.session.image_id)
        if layer is None:
            raise ImageError(NO_IMAGE)
        return layer

    def _freeze(self) -> Request:
        """The form and a copy of the image. Raises ``CerberusError``."""
        layer, session = self._image(), self.session
        if session.pixel_size is None:
            raise ImageError(session.image_problem)
        context_px = round(CONTEXT_UM / session.pixel_size.mean_um)
        picture = take_region(self.layers.viewer, layer, session.region, self.layers.shapes(), context_px=context_px)
        return Request(
            picture=picture,
            pixel_size=session.pixel_size.scaled(*picture.factors),
            model_name=session.model_name,
            device=session.device,
            sensitivity=session.sensitivity,
            flips=session.flips,
        )

    def _on_progress(self, step: Progress) -> None:
        message = step.message or self.session.job.message
        if step.message:
            logger.info("%s", step.message)
        self.session.job = JobStatus(state=JobState.RUNNING, stage=step.stage, fraction=step.fraction, message=message)

    def _on_end(self, end: End) -> None:
        request, self._request = self._request, None
        self._told_of = request.picture.image_id if request is not None else self.session.image_id
        if isinstance(end, Failed):
            self._fail(end.error)
        elif isinstance(end, Cancelled) or request is None:
            message = self._stop_reason or "Cancelled; nothing was changed."
            self.session.job = JobStatus(state=JobState.CANCELLED, message=message)
        else:
            self._show_safely(request, end.result)

    def _show_safely(self, request: Request, annotation: Any) -> None:
        """Whatever happens while layers are made, the job has ended and the window is usable."""
        try:
            self._show(request, annotation)
        except CerberusError as error:
            self._fail(error)
        except Exception as error:
            logger.exception("The result could not be shown")
            self._fail(CerberusError(f"The result could not be shown ({error}); the log has the details."))

    def _show(self, request: Request, annotation: Any) -> None:
        picture = request.picture
        image = self.layers.find(picture.image_id)
        if image is None:
            raise ImageError(f"“{picture.image_name}” was removed while it was annotated; nothing was added.")
        if why_not(image) or fingerprint(image) != picture.fingerprint:
            raise ImageError(f"“{image.name}” was changed while it was annotated; click Annotate again.")
        answer = Answer.to(request, annotation, str(image.name))
        self._answers[picture.image_id] = answer
        if self.session.image_id == picture.image_id:
            self.session.readout = answer.readout
        for note in annotation.notes:
            show_warning(note)
        if self.correct.rerun.propose(picture.image_id, answer, partial(self._add, answer, picture.image_id)):
            message = f"{summary_sentence(answer.readout)}. {MERGE_FIRST}"
            self.session.job = JobStatus(state=JobState.RETURNED, fraction=1.0, message=message)
        elif self.correct.rerun.lies_inside(answer):
            self.correct.rerun.take(answer)
            message = f"{summary_sentence(answer.readout)}. {_PUT_IN_PLACE}"
            self.session.job = JobStatus(state=JobState.RETURNED, fraction=1.0, message=message)
        else:
            self._add(answer, picture.image_id)

    def _add(self, answer: Answer, image_id: str) -> None:
        """Show an answer as layers of its own."""
        image = self.layers.find(image_id)
        if image is None:
            raise ImageError(f"“{answer.record.image_name}” was removed; nothing was added.")
        where = placement(image, answer.origin, answer.factors)
        added = self.layers.add_annotation(
            answer.annotation, str(image.name), where, answer.record, self.session.display
        )
        self.correct.take(answer)
        message = added_sentence(answer.readout, added)
        self.session.job = JobStatus(state=JobState.RETURNED, fraction=1.0, message=message)

    def say_problem(self, error: CerberusError) -> None:
        """Show a problem that belongs to no job."""
        show_error(str(error))

    def say_done(self, sentence: str) -> None:
        """Say how something ended that belongs to no job."""
        show_info(sentence)

    def _fail(self, error: CerberusError) -> None:
        self.session.job = JobStatus.failed(error)
        show_error(str(error))

    def _on_image_chosen(self, unique_id: str) -> None:
        image = self.layers.find(unique_id)
        self.correct.corrections.follow_image("" if image is None or why_not(image) else fingerprint(image))
        self.session.readout = self.readout_of(unique_id)
        if unique_id != self._told_of and not self.session.job.state.busy:
            self.session.job = JobStatus()  # how a job on another image ended says nothing of this one

    def _show_readout(self) -> None:
        """Layers were loaded or restored, or a new result was taken, refused or taken back."""
        job = self.session.job
        if self.correct.rerun.offer is None and job.message.endswith(MERGE_FIRST):
            self.session.job = replace(job, message=job.message.removesuffix(MERGE_FIRST).strip())
        self.session.readout = self.readout_of(self.session.image_id)

    def _show_counts(self, one: TrackedLayer) -> None:
        """Objects came, went or changed their class."""
        readout = self.session.readout
        if readout is None or self.correct.rerun.offer is not None:
            return
        if self.layers.image_meant_by(one.layer) == self.session.image_id:
            shown = [(other.layer, other.record) for other in self.correct.corrections.siblings(one).values()]
            self.session.readout = as_corrected(readout, shown)

    def _on_export(self, status: JobStatus) -> None:
        """Remember where pairs went."""
        if status.state is JobState.RETURNED and self.export.written_folder is not None:
            self.choose.pairs_folder(self.export.written_folder)

    def _on_library(self) -> None:
        """Models came, went or changed: list them again, and load the next one anew."""
        if isinstance(self._annotate, Annotator) and not self._jobs.busy:
            self._annotate.forget_model()
            self.loading.forget()
        self.look_up_models()

    def _on_renamed(self, old: str, new: str) -> None:
        if self.session.model_name == old:
            self.choose.model(new)

    def _on_image_removed(self, unique_id: str) -> None:
        self._answers.pop(unique_id, None)
        if self._request is not None and self._request.picture.image_id == unique_id:
            self._stop_reason = f"“{self._request.picture.image_name}” was removed; its annotation was stopped."
            self.cancel()
