"""Learn from this image: run beside the window, merged into what nobody touched, taken back by one Ctrl+Z."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from ...annotation.merge import MergeResult
from ...errors import CerberusError, EditError, ImageError
from ...progress import Progress
from ..annotate.annotation_result import Answer, readout_of_layers
from ..annotate.image_region import fingerprint, why_not
from ..correct.workbench import Correcting
from ..session import JobState, JobStatus, ModelChoice, Session
from ..worker import Cancelled, End, Failed, JobRunner, Returned
from .finishing import Finishing
from .learn_jobs import Learned, LearnJobs
from .learn_orders import CostKey, LearnOrders, Target

if TYPE_CHECKING:
    from ...adaptation.adapted_model import Adapted
    from ...model.checkpoint import Model

BY_ITSELF_UP_TO_S = 20.0
"""After an area was finished, learning starts by itself where it takes no longer."""
_KEPT_CHILDREN = 3
"""So many adapted models stay in memory; older ones cannot be gone on from."""


class Learning:
    """Runs one round of learning at a time.

    Attributes
    ----------
    status : JobStatus
    status_changed : Signal(JobStatus)
    told_changed : Signal
        Another estimate, another adapted model, or nothing to learn from any more.
    kept : Signal(str)
        A model was added to the library; its name.
    used_next : Signal(str)
        An adapted model is the one to annotate with; its name.

    Parameters
    ----------
    session : Session
    correct : Correcting
    finishing : Finishing
    open_model : callable
        Gives a model by name; called in the worker.
    lent : mutable mapping of name to Model
        Where adapted models are put for annotating.
    busy_elsewhere : callable
        Whether an annotation runs.
    jobs : LearnJobs
    """

    status_changed = Signal(object)
    told_changed = Signal()
    kept = Signal(str)
    used_next = Signal(str)

    def __init__(
        self,
        session: Session,
        correct: Correcting,
        finishing: Finishing,
        open_model: Callable[[str], Model],
        lent: MutableMapping[str, Any],
        busy_elsewhere: Callable[[], bool] = lambda: False,
        jobs: LearnJobs | None = None,
    ) -> None:
        self._session, self._correct, self._finishing = session, correct, finishing
        self._orders = LearnOrders(correct.corrections, finishing, session)
        self._open_model, self._lent, self._busy_elsewhere = open_model, lent, busy_elsewhere
        self._make = jobs if jobs is not None else LearnJobs()
        self._jobs, self._keeping = JobRunner("Learning"), JobRunner("Keeping the model")
        self._measuring = JobRunner("Measuring this computer")
        self.status = JobStatus()
        self.by_itself = True
        self._target: Target | None = None
        self._children: dict[str, Adapted] = {}
        self._seconds: dict[CostKey, float] = {}
        self._again = False
        finishing.finished.connect(self._on_finished)
        finishing.changed.connect(self.told_changed.emit)
        correct.corrections.run_walked.connect(self._on_run_walked)
        correct.corrections.merged.connect(self._on_run_walked)
        session.events.image_id.connect(self._on_image_chosen)

    @property
    def busy(self) -> bool:
        """Whether a round runs."""
        return self._jobs.busy

    @property
    def ready(self) -> bool:
        """Whether there is anything to learn from in the active annotation."""
        return bool(self._finishing.areas())

    @property
    def seconds(self) -> float | None:
        """What a round would take now; None where that was not measured yet."""
        return self._seconds.get(self._orders.cost_key(self.adapted))

    @property
    def adapted(self) -> Adapted | None:
        """The adapted model that the active annotation shows, if any."""
        active = self._correct.corrections.active
        if active is None:
            return None
        layers = self._correct.corrections.siblings(active).values()
        found = [self._children[sha] for one in layers if (sha := one.record.model_sha256) in self._children]
        return max(found, key=lambda one: len(one.rounds), default=None)

    # -- what the user does ----------------------------------------------------------------------

    def learn(self) -> None:
        """Learn from what is finished, and annotate again what nobody touched; a problem is told, not raised."""
        if self._jobs.busy:
            return
        try:
            self._refuse_two()
            self._measuring.cancel()
            order, self._target = self._orders.make(self.adapted)
            self._jobs.start(
                lambda: self._make.learn(order, self._open_model), on_progress=self._on_progress, on_end=self._on_end
            )
        except CerberusError as error:
            self._fail(error)
            return
        self._tell(JobStatus(state=JobState.RUNNING, stage="Starting", message=self._told_before()))

    def cancel(self) -> None:
        """Stop at the next step; nothing is changed."""
        if self._jobs.busy:
            self._again = False
            self._jobs.cancel()
            self._tell(JobStatus(state=JobState.CANCELLING, stage="Cancelling"))

    def use_next(self) -> None:
        """Annotate with the adapted model from now on, in this session."""
        adapted = self.adapted
        if adapted is None:
            return
        self._lent[adapted.model.name] = adapted.model
        names = {choice.name for choice in self.lent_choices()}
        self._session.models = (
            *(choice for choice in self._session.models if choice.name not in names),
            *self.lent_choices(),
        )
        self._session.model_name = adapted.model.name
        self.used_next.emit(adapted.model.name)
        words = f"“{adapted.model.name}” annotates the next image, until napari is closed."
        self._tell(JobStatus(state=JobState.RETURNED, fraction=1.0, message=words))

    def lent_choices(self) -> tuple[ModelChoice, ...]:
        """Adapted models for the list of models."""
        return tuple(_choice(name, model) for name, model in self._lent.items())

    def keep_as(self, name: str) -> None:
        """Add the adapted model to the library under a name; it is not promoted."""
        adapted = self.adapted
        if adapted is None or self._keeping.busy:
            return
        self._keeping.start(lambda: self._make.keep(adapted, name), on_progress=lambda step: None, on_end=self._on_kept)

    def close(self) -> None:
        """Stop the work and wait for it. Safe to call twice."""
        self._jobs.close()
        self._measuring.close()
        self._keeping.close()
        self._children.clear()

    def _refuse_two(self) -> None:
        if self._busy_elsewhere():
            raise EditError("An annotation is running; learn when it has ended.")

    # -- the end ---------------------------------------------------------------------------------

    def _on_progress(self, step: Progress) -> None:
        message = step.message or self.status.message
        self._tell(JobStatus(state=JobState.RUNNING, stage=step.stage, fraction=step.fraction, message=message))

    def _on_end(self, end: End) -> None:
        if isinstance(end, Failed):
            self._fail(end.error)
        elif isinstance(end, Cancelled):
            self._tell(JobStatus(state=JobState.CANCELLED, message="Cancelled; nothing was changed."))
        else:
            self._take(end.result)
        again, self._again = self._again, False
        if again and self.ready:
            self._on_finished()

    def _take(self, learned: Learned) -> None:
        notes = " ".join(learned.adapted.notes)
        if learned.annotation is None:
            said = f"{learned.adapted.sentence} {notes}".strip()
            self._tell(JobStatus(state=JobState.RETURNED, fraction=1.0, message=said))
            return
        try:
            results = self._merge(learned)
        except CerberusError as error:
            self._fail(error)
            return
        self.told_changed.emit()
        said = f"{learned.adapted.sentence} {_counts(results)} Ctrl+Z takes it back. {notes}".strip()
        self._tell(JobStatus(state=JobState.RETURNED, fraction=1.0, message=said))

    def _merge(self, learned: Learned) -> Mapping[str, MergeResult]:
        """Raises ``CerberusError``, and nothing is changed."""
        target, annotation = self._target, learned.annotation
        one = None if target is None else self._correct.corrections.find(target.layer_key)
        if target is None or annotation is None or one is None:
            raise EditError("The layer was removed while the model learned; nothing was changed.")
        image = self._correct.corrections.layers.find(target.image_id)
        if image is None or why_not(image) or fingerprint(image) != target.image_key:
            raise ImageError(
                f"“{target.image_name}” was closed or changed while the model learned; nothing was changed."
            )
        self._children[learned.adapted.model.sha256] = learned.adapted
        while len(self._children) > _KEPT_CHILDREN:
            self._children.pop(next(iter(self._children)))
        layers = [(other.layer, other.record) for other in self._correct.corrections.siblings(one).values()]
        record = replace(
            one.record,
            model_name=annotation.run.model_name,
            model_sha256=annotation.run.model_sha256,
            device=annotation.run.device,
            precision=annotation.run.precision,
            flips=False,
            made_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        answer = Answer(
            annotation=annotation,
            readout=readout_of_layers(target.image_id, layers),
            record=record,
            origin=(float(record.region[0]), float(record.region[1])),
            factors=record.factors,
        )
        return self._correct.rerun.take(answer)

    def _on_kept(self, end: End) -> None:
        if isinstance(end, Returned):
            words = f"Kept as “{end.result.name}”. Compare it on held-out patients before you promote it."
            self._tell(JobStatus(state=JobState.RETURNED, fraction=1.0, message=words))
            self.kept.emit(end.result.name)
        elif isinstance(end, Failed):
            self._fail(end.error)

    # -- by itself -------------------------------------------------------------------------------

    def _on_finished(self) -> None:
        """An area was finished: measure what learning takes, and learn where that is little."""
        if self._jobs.busy:
            self._again = self.by_itself
            return
        if self._measuring.busy or self._busy_elsewhere():
            return
        try:
            order, _ = self._orders.make(self.adapted)
        except CerberusError as error:
            self._fail(error)
            return
        key = self._orders.cost_key(self.adapted)
        if key in self._seconds:
            self._on_told()
            return
        self._measuring.start(
            lambda: self._make.measure(order, self._open_model),
            on_progress=lambda step: None,
            on_end=lambda end: self._on_measured(key, end),
        )

    def _on_measured(self, key: CostKey, end: End) -> None:
        if isinstance(end, Failed):
            self._fail(end.error)
        elif isinstance(end, Returned):
            self._seconds[key] = float(end.result)
            self._on_told()

    def _on_told(self) -> None:
        self.told_changed.emit()
        seconds = self.seconds
        if self.by_itself and not self._jobs.busy and seconds is not None and seconds <= BY_ITSELF_UP_TO_S:
            self.learn()

    def _told_before(self) -> str:
        seconds = self.seconds
        return "" if seconds is None else f"This takes {seconds_words(seconds)}."

    def _on_run_walked(self, *_: Any) -> None:
        """A round was taken back or made again: another model is the adapted one."""
        self.told_changed.emit()

    def _on_image_chosen(self, _unique_id: str) -> None:
        if not self.status.state.busy:
            self._tell(JobStatus())  # how a round ended says nothing of another image

    def _fail(self, error: CerberusError) -> None:
        self._tell(JobStatus(state=JobState.FAILED, message=str(error)))

    def _tell(self, status: JobStatus) -> None:
        self.status = status
        self.status_changed.emit(status)


def seconds_words(seconds: float) -> str:
    """ "about 12 s", "about 3 min"."""
    return f"about {max(seconds, 1):.0f} s" if seconds < 90 else f"about {seconds / 60:.0f} min"


def _counts(results: Mapping[str, MergeResult]) -> str:
    taken = sum(result.counts.taken for result in results.values())
    kept = sum(result.counts.kept for result in results.values())
    decide = sum(result.counts.conflicts for result in results.values())
    more = f", {decide:,} to decide" if decide else ""
    return f"Outside: {taken:,} found anew, {kept:,} of yours stay{more}."


def _choice(name: str, model: Any) -> ModelChoice:
    return ModelChoice(
        name=name,
        predicts=tuple(task.key for task in model.spec.tasks),
        pixel_size_um=model.spec.pixel_size_um,
        sha256=model.sha256,
        origin="Learned in an open image; not kept in the library.",
        task_pixel_size_um=dict(model.spec.task_pixel_size_um),
    )
