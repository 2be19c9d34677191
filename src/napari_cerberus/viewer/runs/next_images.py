"""Which image of a folder to annotate next: looked for beside the window, and opened from a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal

from ...errors import CerberusError, DataError, ImageError
from ...pairs.words import counted
from ...pixel_size import PixelSize
from ...progress import Job, Progress
from ..io.open_picture import open_picture
from ..layers import ViewerLayers
from ..session import Device, JobState, JobStatus, Session
from ..worker import Cancelled, End, Failed, JobRunner

if TYPE_CHECKING:
    from ...inference.doubts.next_fields import ProposedField
    from ...model.checkpoint import Model

COUNT = 10
_MOST_LABELLED = 60
_SHOWN = 2
_NO_FOLDER = "Choose the folder of images to look through."


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is looked for.

    Attributes
    ----------
    folder : Path
        Images to choose from.
    labelled : Path or None
        Exported pairs: what the model can learn from already.
    model_name : str
    device : str
    assumed : PixelSize or None
        Of files that do not say theirs; None: that of the images the model was made from.
    task : str
        The kind of object that is to be corrected; "" for all.
    """

    folder: Path
    labelled: Path | None
    model_name: str
    device: Device
    assumed: PixelSize | None
    task: str = ""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What was found.

    Attributes
    ----------
    folder : Path
    fields : tuple of ProposedField
        Best first.
    seen, labelled : int
        Images that were looked at.
    problems : tuple of str
        A sentence for each image that was left out.
    """

    folder: Path
    fields: tuple[ProposedField, ...]
    seen: int
    labelled: int
    problems: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What was done, for the user."""
        if not self.fields:
            said = f"None of {counted(self.seen, 'image')} shows tissue."
        else:
            beside = f", beside {self.labelled:,} of your last export" if self.labelled else ""
            said = f"Looked at {counted(self.seen, 'image')}{beside}."
        left = len(self.problems) - _SHOWN
        more = (f"{left:,} more were left out.",) if left > 0 else ()
        return " ".join((said, *self.problems[:_SHOWN], *more))


class NextImages:
    """The search of one dock.

    Attributes
    ----------
    status_changed : Signal(JobStatus)
    proposal_changed : Signal()
        There is another list.
    opened : Signal()
        An image of the list is open and active.

    Parameters
    ----------
    session : Session
    layers : ViewerLayers
    open_model : callable
        Opens a model by name.
    """

    status_changed = Signal(object)
    proposal_changed = Signal()
    opened = Signal()

    def __init__(self, session: Session, layers: ViewerLayers, open_model: Callable[[str], Model]) -> None:
        self._session, self._layers, self._open_model = session, layers, open_model
        self._jobs = JobRunner("Looking for images")
        self.status = JobStatus()
        self.proposal: Proposal | None = None

    def look(self, folder: str, task: str = "") -> None:
        """Look through a folder for images to correct objects of ``task`` in; a problem is shown, not raised."""
        try:
            if not folder.strip():
                raise DataError(_NO_FOLDER)
            wanted = self._wanted(Path(folder.strip()).expanduser(), task)
            self._jobs.start(
                lambda: propose_job(wanted, self._open_model), on_progress=self._on_progress, on_end=self._on_end
            )
        except CerberusError as error:
            self._say(JobStatus.failed(error))
            return
        self._show(None)
        self._say(JobStatus(state=JobState.RUNNING, stage="Starting"))

    def cancel(self) -> None:
        """Stop at the next image."""
        if self._jobs.busy:
            self._jobs.cancel()
            self._say(JobStatus(state=JobState.CANCELLING, stage="Cancelling"))

    def open(self, number: int) -> None:
        """Open an image of the list, or bring it to the front; a problem is shown, not raised."""
        if self.proposal is None:
            return
        path = self.proposal.folder / self.proposal.fields[number].name
        try:
            open_picture(self._layers.viewer, path)
        except ImageError as error:
            self._say(JobStatus.failed(error))
            return
        self.opened.emit()

    def close(self) -> None:
        """Stop the work and wait for it. Safe to call twice."""
        self._jobs.close()

    def _wanted(self, folder: Path, task: str) -> Wanted:
        session = self._session
        pairs = Path(session.pairs_folder) if session.pairs_folder else None
        return Wanted(
            folder=folder,
            labelled=pairs,
            model_name=session.model_name,
            device=session.device,
            assumed=session.pixel_size,
            task=task,
        )

    def _on_progress(self, step: Progress) -> None:
        self._say(JobStatus.running(step))

    def _on_end(self, end: End) -> None:
        if isinstance(end, Failed):
            self._say(JobStatus.failed(end.error))
        elif isinstance(end, Cancelled):
            self._say(JobStatus(state=JobState.CANCELLED, message="Cancelled; nothing was changed."))
        else:
            found: Proposal = end.result
            self._show(found)
            state = JobState.RETURNED if found.fields else JobState.FAILED
            self._say(JobStatus(state=state, message=found.sentence))

    def _show(self, proposal: Proposal | None) -> None:
        self.proposal = proposal
        self.proposal_changed.emit()

    def _say(self, status: JobStatus) -> None:
        self.status = status
        self.status_changed.emit(status)


def propose_job(wanted: Wanted, open_model: Callable[[str], Model]) -> Job[Proposal]:
    """Look at the images of a folder, and at those labelled already.

    Raises
    ------
    CerberusError
        If the folder holds no image, the model cannot be opened, or the network cannot run.
    """
    yield Progress("Loading the model")
    from ...inference.doubts.folder_images import field_images, image_paths, usual_size
    from ...inference.doubts.next_fields import propose, see

    paths = image_paths(wanted.folder)
    model = open_model(wanted.model_name)
    assumed = wanted.assumed or usual_size(model)
    known, problems = _labelled(wanted.labelled)
    stage = "Looking at your labelled images"
    look = partial(see, model=model, task=wanted.task, device=wanted.device)
    learned, unread = yield from look(field_images(known, assumed=assumed), stage=stage)
    seen, left_out = yield from look(field_images(paths, assumed=assumed))
    vectors = [one.vector for one in learned if one.vector is not None]
    return Proposal(
        folder=wanted.folder,
        fields=tuple(propose(seen, COUNT, vectors)),
        seen=len(seen),
        labelled=len(vectors),
        problems=(*left_out, *problems, *unread),
    )


def _labelled(folder: Path | None) -> tuple[list[Path], tuple[str, ...]]:
    """Images of exported pairs, some of many, spread evenly; a folder that is not there any more is told."""
    from ...pairs.layout.ebhi import index_tree

    if folder is None:
        return [], ()
    try:
        records, _ = index_tree(folder)
    except DataError:
        return [], (f"Your last export, {folder}, was not found, so it is not known what you have labelled.",)
    step = -(-len(records) // _MOST_LABELLED) or 1
    return [record.image_path for record in records[::step]], ()
