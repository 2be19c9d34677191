"""A cohort of slides annotated beside the window: one folder a slide, one table of all, on workers of dask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from ...errors import CerberusError, ImageError, SettingsError
from ...pairs.words import counted
from ...pixel_size import PixelSize
from ...progress import Job, Progress
from ..session import Device, JobState, JobStatus, Session
from ..worker import Cancelled, End, Failed, JobRunner

if TYPE_CHECKING:
    from ...model.checkpoint import Model

OpenClient = Callable[[int], AbstractContextManager[Any]]
PAUSED = "Stopped: what was done is kept. Start again with the same slides and folder to go on."


@dataclass(frozen=True, kw_only=True)
class BatchResult:
    """What came out.

    Attributes
    ----------
    done : int
        Slides in the table.
    table : Path or None
    failed : tuple of str
        A sentence for each slide that failed.
    """

    done: int
    table: Path | None
    failed: tuple[str, ...]


class BatchRun:
    """The batch of one dock.

    Attributes
    ----------
    changed : Signal
        ``status`` is another.
    status : JobStatus

    Parameters
    ----------
    session : Session
    open_client : callable, optional
        Gives workers; by default processes on this computer.
    """

    changed = Signal()

    def __init__(self, session: Session, open_client: OpenClient | None = None) -> None:
        self._session, self._open_client = session, open_client
        self._jobs = JobRunner("Annotation of slides")
        self.status = JobStatus()

    def start(self, slides: Sequence[Path], out: Path, workers: int) -> None:
        """Annotate slides, each into ``out/<name>``, or go on there; a problem is shown, not raised."""
        try:
            if not slides:
                raise SettingsError("Choose slides first.")
            job = partial(
                annotate_batch,
                folders_of(slides, out),
                out,
                model_name=self._session.model_name,
                client=partial(self._open_client or _local, workers),
                device=self._session.device,
                sensitivity=self._session.sensitivity,
            )
            self._jobs.start(job, on_progress=self._on_progress, on_end=self._on_end)
        except CerberusError as error:
            self._set(JobStatus.failed(error))
            return
        self._set(JobStatus(state=JobState.RUNNING, stage="Starting workers"))

    def stop(self) -> None:
        """Stop at the next heartbeat; the blocks that are done are kept."""
        if self._jobs.busy:
            self._jobs.cancel()
            self._set(JobStatus(state=JobState.CANCELLING, stage="Stopping"))

    def close(self) -> None:
        """Stop the work and wait for it. Safe to call twice."""
        self._jobs.close()

    def _on_progress(self, step: Progress) -> None:
        message = step.message or self.status.message
        self._set(JobStatus(state=JobState.RUNNING, stage=step.stage, fraction=step.fraction, message=message))

    def _on_end(self, end: End) -> None:
        if isinstance(end, Failed):
            self._set(JobStatus.failed(end.error))
        elif isinstance(end, Cancelled):
            self._set(JobStatus(state=JobState.CANCELLED, message=PAUSED))
        else:
            state = JobState.RETURNED if end.result.done else JobState.FAILED
            self._set(JobStatus(state=state, message=_sentence(end.result)))

    def _set(self, status: JobStatus) -> None:
        self.status = status
        self.changed.emit()


def folders_of(slides: Sequence[Path], out: Path) -> dict[Path, Path]:
    """A folder for each slide; slides of one name, from different folders, get a number."""
    folders: dict[Path, Path] = {}
    taken: set[str] = set()
    for path in dict.fromkeys(slides):
        name, number = path.stem, 1
        while name.casefold() in taken:
            number += 1
            name = f"{path.stem}_{number}"
        taken.add(name.casefold())
        folders[path] = out / name
    return folders


def annotate_batch(
    folders: dict[Path, Path],
    out: Path,
    *,
    model_name: str,
    client: Callable[[], AbstractContextManager[Any]],
    device: Device,
    sensitivity: float,
) -> Job[BatchResult]:
    """Annotate slide after slide; one that fails is named, and the others are done.

    Raises
    ------
    CerberusError
        If no worker starts, the model cannot be opened or the table cannot be written.
    """
    from ...inference.annotate_settings import AnnotateSettings
    from ...slides.cohort import SlideTask, annotate_on_cluster
    from ...slides.cohort_table import COHORT_TABLE, write_cohort_table

    failed, done = [], []
    yield Progress("Loading the model")
    model = _opener(model_name)
    yield Progress("Starting workers")
    with client() as workers:
        for number, (path, folder) in enumerate(folders.items(), start=1):
            where = f"Slide {number} of {len(folders)}, {path.name}"
            try:
                size = _pixel_size(path)
                settings = AnnotateSettings(pixel_size_um=size, device=device, sensitivity=sensitivity)
                task = SlideTask(path=path, folder=folder, settings=settings, open_model=model)
                yield from _named(where, annotate_on_cluster(task, workers))
                done.append(folder)
            except CerberusError as error:
                failed.append(f"{path.name}: {error}")
    table = out / COHORT_TABLE if done else None
    if table is not None:
        write_cohort_table(done, table)
    return BatchResult(done=len(done), table=table, failed=tuple(failed))


def _opener(name: str) -> Callable[[], Model]:
    """Opens, on any worker, the very model that the name means here."""
    from ...model.library.opening import open_model

    found = open_model(name)
    return partial(open_model, str(found.path or found.name), found.sha256)


def _named(where: str, job: Job[Any]) -> Job[Any]:
    """A job's progress with the slide's name."""
    try:
        while True:
            try:
                step = next(job)
            except StopIteration as end:
                return end.value
            yield Progress(f"{where}: {step.stage}", step.done, step.total, message=step.message)
    finally:
        job.close()


def _pixel_size(path: Path) -> PixelSize:
    from ...slides.slide_files.open_slide import open_slide

    size = open_slide(path).pixel_size
    if size is None:
        raise ImageError(
            "the file does not say how large a pixel is; annotate it by itself, or by the command line with "
            "--pixel-size-um."
        )
    return size


def _local(workers: int) -> AbstractContextManager[Any]:
    from ...slides.local_cluster import local_client

    client: AbstractContextManager[Any] = local_client(workers)
    return client


def _sentence(result: BatchResult) -> str:
    found = f"{counted(result.done, 'slide')} annotated; the table is {result.table}." if result.done else ""
    return " ".join((found, *result.failed)).strip()
