"""The jobs behind Learn, as plain generators: measuring, learning, keeping. torch is first imported in them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...annotation.annotated_image import ModelRun
from ...annotation.finished_areas import FinishedArea, finished_tasks
from ...annotation.frame import Frame
from ...annotation.object_columns import utc_now
from ...pixel_size import PixelSize
from ...progress import Job, Progress
from ..session import Device

if TYPE_CHECKING:
    from ...adaptation.adapted_model import Adapted
    from ...adaptation.lessons import Lesson
    from ...inference.annotate import Annotation
    from ...model.checkpoint import Model
    from ...model.library.entries import ModelEntry


@dataclass(frozen=True, kw_only=True, eq=False)
class LessonOrder:
    """One image to learn from, frozen.

    Attributes
    ----------
    name : str
        The same in every round.
    read : callable
        Gives the pixels of the annotated part.
    pixel_size : PixelSize
        Of these pixels.
    labels : mapping of task key to (H, W) integer array
        Copies of the layers.
    areas : tuple of FinishedArea
    """

    name: str
    read: Callable[[], np.ndarray[Any, Any]]
    pixel_size: PixelSize
    labels: dict[str, np.ndarray[Any, Any]]
    areas: tuple[FinishedArea, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        height, width = next(iter(self.labels.values())).shape
        return height, width

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks that are finished somewhere."""
        return finished_tasks(self.areas)


@dataclass(frozen=True, kw_only=True, eq=False)
class LearnOrder:
    """Learning, frozen when it was asked for.

    Attributes
    ----------
    lessons : tuple of LessonOrder
        The first is the image that is annotated again.
    model_name : str
        The base model.
    earlier : Adapted or None
        The last round.
    device : {"auto", "cpu", "cuda", "mps"}
    sensitivity : float
    """

    lessons: tuple[LessonOrder, ...]
    model_name: str
    earlier: Adapted | None
    device: Device
    sensitivity: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Learned:
    """What learning gave: the child, without kept features, and its answer; None where nothing was gained."""

    adapted: Adapted
    annotation: Annotation | None


def learn_here(order: LearnOrder, open_model: Callable[[str], Model]) -> Job[Learned]:
    """Learn from finished areas, and annotate the first image again with what was learned."""
    started = time.perf_counter()
    yield Progress("Reading the image")
    lessons = [_lesson(one) for one in order.lessons]
    yield Progress("Loading the model")
    from ...adaptation.annotate_rest import annotate_rest
    from ...adaptation.learn import learn
    from ...adaptation.learn_settings import LearnSettings
    from ...inference.annotate import Annotation
    from ...inference.annotate_settings import AnnotateSettings
    from ...inference.device import choose_runtime

    base = order.earlier.base if order.earlier is not None else open_model(order.model_name)
    learn_settings = LearnSettings(device=order.device)
    adapted = yield from learn(lessons, base, learn_settings, earlier=order.earlier)
    if not adapted.changed:
        return Learned(adapted=replace(adapted, features={}), annotation=None)
    settings = AnnotateSettings(
        pixel_size_um=lessons[0].pixel_size_um, device=order.device, sensitivity=order.sensitivity
    )
    rest = yield from annotate_rest(adapted, lessons[0], settings)
    runtime = choose_runtime(learn_settings.device)
    run = ModelRun(
        model_name=adapted.model.name,
        model_sha256=adapted.model.sha256,
        model_pixel_size_um=adapted.model.spec.pixel_size_um,
        device=runtime.name,
        precision=runtime.precision,
        device_reason=runtime.reason,
        sensitivity=order.sensitivity,
        made_at=utc_now(),
        seconds=time.perf_counter() - started,
    )
    annotation = Annotation(
        frame=Frame.of_image(lessons[0].image, lessons[0].name),
        pixel_size=settings.pixel_size,
        labels=rest.labels,
        objects=rest.objects,
        probabilities=rest.probabilities,
        runs=dict.fromkeys(rest.labels, run),
        notes=adapted.notes,
    )
    return Learned(adapted=replace(adapted, features={}), annotation=annotation)


def estimate(order: LearnOrder, open_model: Callable[[str], Model]) -> Job[float]:
    """Seconds that ``learn_here`` would take; measuring takes two or three."""
    yield Progress("Measuring this computer")
    from ...adaptation.learn_settings import LearnSettings
    from ...adaptation.learning_time import learning_seconds

    model = order.earlier.model if order.earlier is not None else open_model(order.model_name)
    settings = LearnSettings(device=order.device)
    seconds = 0.0
    for one in order.lessons:
        yield Progress("Measuring this computer")
        seconds += learning_seconds(one.shape, one.pixel_size, one.tasks, model, settings)
    return seconds


def keep(adapted: Adapted, name: str) -> Job[ModelEntry]:
    """Add an adapted model to the library; it is not promoted."""
    yield Progress("Writing the model")
    from ...adaptation.adapted_model import keep_model

    return (yield from keep_model(adapted.model, name, _card(adapted)))


@dataclass(frozen=True, kw_only=True)
class LearnJobs:
    """What makes the jobs; tests have others."""

    learn: Callable[[LearnOrder, Callable[[str], Model]], Job[Learned]] = learn_here
    measure: Callable[[LearnOrder, Callable[[str], Model]], Job[float]] = estimate
    keep: Callable[[Adapted, str], Job[ModelEntry]] = keep


def _lesson(order: LessonOrder) -> Lesson:
    from ...adaptation.lessons import Lesson

    return Lesson(
        image=order.read(),
        pixel_size_um=order.pixel_size,
        labels=order.labels,
        areas=order.areas,
        name=order.name,
    )


def _card(adapted: Adapted) -> str:
    """The card of a kept model: where it comes from, and what nobody has tested."""
    images = dict.fromkeys(name for one in adapted.rounds for name in one.areas)
    rounds = "1 round" if len(adapted.rounds) == 1 else f"{len(adapted.rounds)} rounds"
    lines = [
        f"# {adapted.base.name}, taught in open images",
        "",
        f"A child of {adapted.base.name} (SHA-256 {adapted.base.sha256}). It learned {', '.join(adapted.tasks)} from "
        f"areas that a person finished, in {rounds}:",
        "",
        *(f"- {name}" for name in images),
        "",
        "Areas, steps and seed of every round are in `model.json` under `provenance.learned_here`. **Nobody has "
        "tested it on other patients.** Compare it with its parent on held-out patients before you promote it.",
        "",
    ]
    return "\n".join([*lines, adapted.base.card()])
