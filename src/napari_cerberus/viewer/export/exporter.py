"""Export of training pairs: what would be written, and the writing, both beside the window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from psygnal import Signal

from ...errors import CerberusError, OutputError, SettingsError
from ...exporting.export_jobs import ExportTask, Outcome, Preview, export_job, preview_job
from ...pairs.layout.dataset import Dataset
from ...pairs.write.export_source import ExportSettings, ExportSource
from ...progress import Progress
from ..session import JobState, JobStatus, Session
from ..worker import Cancelled, End, Failed, JobRunner
from .open_images import ExportCandidate, OpenImages
from .saved_images import SavedImages, look_job

NOTHING = "Annotate an image first; then its masks can be exported."


@dataclass(frozen=True, kw_only=True)
class ImageDetails:
    """What the user says about one image.

    Attributes
    ----------
    candidate : ExportCandidate
    patient_id : str
    patient_unknown : bool
        The user chose "not known"; ``patient_id`` is not used.
    category : str
    block : int
        Block of the biopsy, for the file names.
    """

    candidate: ExportCandidate
    patient_id: str
    patient_unknown: bool
    category: str
    block: int = 1

    @property
    def missing(self) -> str:
        """What is still to be said, as one sentence; empty if nothing."""
        name = self.candidate.name
        if not self.patient_unknown and not self.patient_id.strip():
            return f"Give the patient id of “{name}”, or tick “not known”."
        return f"Choose the category of “{name}”." if not self.category.strip() else ""


@dataclass(frozen=True, kw_only=True)
class ExportForm:
    """The whole form, frozen.

    Attributes
    ----------
    folder : str
        The data set's folder as typed.
    images : tuple of ImageAnswer
        Those to export.
    choices : ExportSettings
        Everything that is the same for all images; its patient, category and block stand for none.
    """

    folder: str
    images: tuple[ImageDetails, ...]
    choices: ExportSettings

    @property
    def missing(self) -> str:
        """The first thing that is still to be said; empty if the form is complete."""
        if not self.images:
            return "Tick an image to export."
        if not self.folder.strip():
            return "Choose the folder of the data set; a new one will be made."
        return next((image.missing for image in self.images if image.missing), "")


class Exporter:
    """Runs previews and exports of one dock; the state of the export is ``session.export``.

    Attributes
    ----------
    preview_changed : Signal(object)
        A new ``Preview``.
    preview_stage : Signal(str)
        What the preview is at.
    looked : Signal(str)
        A folder was searched for saved annotations; a sentence on what was found.

    Parameters
    ----------
    session : Session
    candidates : OpenImages
    """

    preview_changed = Signal(object)
    preview_stage = Signal(str)
    looked = Signal(str)

    def __init__(self, session: Session, candidates: OpenImages) -> None:
        self.session, self._candidates = session, candidates
        self._saved = SavedImages()
        self._previews, self._exports = JobRunner("Preview of the export"), JobRunner("Export")
        self._looks = JobRunner("Looking for annotations")
        self._next: ExportForm | None = None
        self._outcome: Outcome | None = None

    @property
    def written_folder(self) -> Path | None:
        """Where the last export went; None where it wrote nothing."""
        outcome = self._outcome
        return outcome.root if outcome is not None and outcome.results else None

    def candidates(self) -> tuple[ExportCandidate, ...]:
        """What can be exported now: open images, then the saved annotations that were added."""
        return (*self._candidates.list(), *self._saved.list())

    def add_saved(self, folder: str) -> None:
        """Add the saved annotations in a folder and below it; ``looked`` says what became of it."""
        if self._looks.busy:
            return
        try:
            path = _folder(folder)
            self._looks.start(lambda: look_job(path), on_progress=lambda step: None, on_end=self._on_look_end)
        except CerberusError as error:
            self.looked.emit(str(error))

    def preview(self, form: ExportForm) -> None:
        """Find out what ``form`` would write; an older question that is still open is dropped."""
        self._next = form
        if self._previews.busy:
            self._previews.cancel()
        else:
            self._start_preview()

    def export(self, form: ExportForm) -> None:
        """Write what ``form`` says, from the layers as they are now; a problem is shown, not raised."""
        if self._exports.busy:
            return
        try:
            if form.missing:
                raise SettingsError(form.missing)
            export_tasks = self._orders(form)
            self._outcome = outcome = Outcome(root=_folder(form.folder))
            self._exports.start(
                lambda: export_job(outcome, export_tasks), on_progress=self._on_progress, on_end=self._on_export_end
            )
        except CerberusError as error:
            self.session.export = JobStatus.failed(error)
            return
        self.session.export = JobStatus(state=JobState.RUNNING, stage="Starting")

    def cancel(self) -> None:
        """Stop the export at its next pair; images that are not done leave nothing behind."""
        if self._exports.busy:
            self._exports.cancel()
            self.session.export = JobStatus(state=JobState.CANCELLING, stage="Cancelling")

    def close(self) -> None:
        """Stop every job and wait for it. Safe to call twice."""
        self._next = None
        self._looks.close()
        self._previews.close()
        self._exports.close()

    def _orders(self, form: ExportForm, *, history: bool = True) -> list[ExportTask]:
        """What reads the images that the form names, open ones from copies. Raises ``CerberusError``."""
        readers = self._saved.readers(self.session.reviewer)
        snapshots = self._candidates.snapshots()
        if not history:  # a preview does not show it, and a long one takes a while to read
            snapshots = {key: replace(one, journal=None) for key, one in snapshots.items()}
        readers |= {key: one.source for key, one in snapshots.items()}
        gone = [image.candidate.name for image in form.images if image.candidate.key not in readers]
        if gone:
            raise OutputError(f"“{gone[0]}” was changed or closed; open the export again.")
        return [
            _order(image.candidate, readers[image.candidate.key], settings_for(form, image)) for image in form.images
        ]

    def _start_preview(self) -> None:
        form, self._next = self._next, None
        if form is None:
            return
        try:
            export_tasks = self._orders(form, history=False)
            root = _folder(form.folder)
            self._previews.start(
                lambda: preview_job(root, export_tasks),
                on_progress=lambda step: self.preview_stage.emit(step.stage),
                on_end=self._on_preview_end,
            )
        except CerberusError as error:
            self.preview_changed.emit(Preview(problems=(str(error),)))

    def _on_preview_end(self, end: End) -> None:
        if self._next is not None:
            self._start_preview()
        elif isinstance(end, Failed):
            self.preview_changed.emit(Preview(problems=(str(end.error),)))
        elif not isinstance(end, Cancelled):
            self.preview_changed.emit(end.result)

    def _on_look_end(self, end: End) -> None:
        if isinstance(end, Failed):
            self.looked.emit(str(end.error))
        elif not isinstance(end, Cancelled):
            self.looked.emit(self._saved.take(end.result))

    def _on_progress(self, step: Progress) -> None:
        self.session.export = JobStatus(state=JobState.RUNNING, stage=step.stage, fraction=step.fraction)

    def _on_export_end(self, end: End) -> None:
        outcome = self._outcome
        if outcome is None:
            return
        if isinstance(end, Cancelled):
            kept = f" Before that, {outcome.sentence}" if outcome.written else " Nothing was written."
            self.session.export = JobStatus(state=JobState.CANCELLED, message=f"Cancelled.{kept}")
        elif isinstance(end, Failed) or outcome.failed:
            reasons = [*outcome.failed, *([str(end.error)] if isinstance(end, Failed) else [])]
            kept = f" {outcome.sentence}" if outcome.results else ""
            self.session.export = JobStatus(state=JobState.FAILED, message=" ".join(reasons) + kept)
        else:
            self.session.export = JobStatus(state=JobState.RETURNED, fraction=1.0, message=outcome.sentence)


def _order(candidate: ExportCandidate, read: Callable[[], ExportSource], settings: ExportSettings) -> ExportTask:
    return ExportTask(name=candidate.name, read=read, settings=lambda source: settings)


def settings_for(form: ExportForm, image: ImageDetails) -> ExportSettings:
    """The settings of one image. Raises ``SettingsError``."""
    return replace(
        form.choices,
        checked=tuple(task for task in form.choices.checked if task in image.candidate.tasks),
        patient_id=None if image.patient_unknown else image.patient_id,
        category=image.category.strip(),
        block=image.block,
    )


def categories_in(folder: str) -> list[str]:
    """Categories of the data set in a folder; none where it does not exist yet or cannot be read."""
    if not folder.strip():
        return []
    try:
        return Dataset(_folder(folder), ()).categories
    except (OSError, SettingsError):
        return []


def _folder(text: str) -> Path:
    """Raises ``SettingsError`` where the text cannot be a folder."""
    try:
        return Path(text.strip()).expanduser().absolute()
    except (RuntimeError, ValueError) as error:
        raise SettingsError(f"“{text[:80]}” is no folder: {error}.") from error
