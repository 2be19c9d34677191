"""Jobs for tests of the viewer side: no network, no waiting, and gates to stop them where a test wants them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from annotated import annotated_image
from napari_cerberus.annotation.annotated_image import ModelRun
from napari_cerberus.inference.annotate import Annotation
from napari_cerberus.inference.tissue_readout import TissueMap
from napari_cerberus.pixel_size import PixelSize
from napari_cerberus.progress import Job, Progress
from napari_cerberus.viewer.adapt.learn_jobs import Learned, LearnJobs
from napari_cerberus.viewer.annotate.annotate_jobs import Request
from napari_cerberus.viewer.session import ModelChoice

TISSUE = {"Normal": 0.62, "Polyp": 0.17, "Adenocarcinoma": 0.21}
STARTER = ModelChoice(
    name="starter",
    predicts=("nuclei", "glands", "lumina", "tissue"),
    pixel_size_um=1.0,
    sha256="ab" * 32,
    card="# Card",
    task_pixel_size_um={"nuclei": 0.5},
)
OTHER = ModelChoice(name="other", predicts=("nuclei",), pixel_size_um=0.5, sha256="cd" * 32)


def two_models() -> Job[tuple[ModelChoice, ...]]:
    """What looking for models gives in tests."""
    yield Progress("Looking for models")
    return STARTER, OTHER


def he_like(height: int = 48, width: int = 64, seed: int = 0) -> np.ndarray[Any, Any]:
    """An RGB picture with some colour, (height, width, 3) uint8."""
    return np.random.default_rng(seed).integers(60, 250, (height, width, 3)).astype(np.uint8)


def square_labels(height: int, width: int) -> dict[str, np.ndarray[Any, Any]]:
    """One gland with one lumen and two nuclei; every image of at least 12 × 12 px holds them."""
    labels = {task: np.zeros((height, width), np.int32) for task in ("nuclei", "glands", "lumina")}
    labels["glands"][1:11, 1:11] = 1
    labels["lumina"][4:7, 4:7] = 1
    labels["nuclei"][1:3, 1:3] = 1
    labels["nuclei"][8:10, 8:10] = 2
    return labels


STARTER_RUN = ModelRun(
    model_name="starter",
    model_sha256="ab" * 32,
    model_pixel_size_um=1.0,
    device="cpu",
    precision="bf16",
    device_reason="CPU: no GPU here.",
    seconds=3.2,
)


def annotation_of(
    labels: Mapping[str, np.ndarray[Any, Any]], pixel_size_um: float | PixelSize = 0.5, **changes: Any
) -> Annotation:
    """An annotation with these labels; nuclei are typed. ``changes`` are fields of it, or of its run."""
    size = pixel_size_um if isinstance(pixel_size_um, PixelSize) else PixelSize.square(pixel_size_um)
    cells = []
    for task, array in labels.items():
        for number in range(int(array.max(initial=0))):
            cell: dict[str, Any] = {"task": task, "index": number + 1, "confidence": 0.8}
            if task == "nuclei":
                cell |= {"class": ("epithelial", "lymphocyte")[number % 2], "class_probability": 0.9}
            cells.append(cell)
    ran = {name: changes.pop(name) for name in tuple(changes) if name in {one.name for one in fields(ModelRun)}}
    known = {"pixel_size": size, "tissue": TISSUE, "runs": dict.fromkeys(labels, replace(STARTER_RUN, **ran))}
    made: Annotation = annotated_image(
        labels, pd.DataFrame(cells), pixel_size_um=size.mean_um, kind=Annotation, **{**known, **changes}
    )
    return made


def tissue_map(height: int = 3, width: int = 4, spacing_px: float = 16.0) -> TissueMap:
    """A map whose every cell is of the first class, but for the last cell, which is glass."""
    probabilities = np.zeros((len(TISSUE), height, width), np.float32)
    probabilities[0] = 1
    holds_tissue = np.ones((height, width), bool)
    holds_tissue[-1, -1] = False
    return TissueMap(
        classes=tuple(TISSUE), probabilities=probabilities, holds_tissue=holds_tissue, spacing_px=spacing_px
    )


class FakeAnnotate:
    """A job factory that answers with squares.

    Parameters
    ----------
    error : Exception, optional
        Raised after the first step.
    gated : bool
        Wait at every step until ``gate`` is set.
    changes
        Fields of the annotation.
    """

    def __init__(self, error: Exception | None = None, *, gated: bool = False, steps: int = 3, **changes: Any) -> None:
        self.requests: list[Request] = []
        self.gate = threading.Event()
        self.stepped = threading.Event()
        self.closed = threading.Event()
        self._error, self._steps, self._changes = error, steps, changes
        if not gated:
            self.gate.set()

    def __call__(self, request: Request) -> Job[Annotation]:
        try:
            self.requests.append(request)
            image = request.picture.read()
            for step in range(self._steps):
                yield Progress("Reading tiles", step, self._steps)
                self.stepped.set()
                self.gate.wait(20)
                if self._error is not None:
                    raise self._error
            labels = self._changes.pop("labels", None) or square_labels(*image.shape[:2])
            return annotation_of(labels, request.pixel_size, frame=request.picture.frame, **self._changes)
        finally:
            self.closed.set()


class FakeLearn:
    """Stands for learning: finds what it is told, outside of finished areas too.

    Parameters
    ----------
    labels : mapping of task to array, optional
        The new answer; None: nothing was gained.
    seconds : float
        What measuring says.
    gated : bool
        Wait at every step until ``gate`` is set.
    """

    def __init__(self, labels: Any = None, *, seconds: float = 100.0, gated: bool = False) -> None:
        self.labels, self.seconds = labels, seconds
        self.orders: list[Any] = []
        self.kept: list[tuple[Any, str]] = []
        self.gate, self.stepped, self.closed = threading.Event(), threading.Event(), threading.Event()
        if not gated:
            self.gate.set()

    @property
    def jobs(self) -> LearnJobs:
        return LearnJobs(learn=self._learn, measure=self._measure, keep=self._keep)

    def _learn(self, order: Any, open_model: Any) -> Job[Learned]:
        try:
            self.orders.append(order)
            for step in range(3):
                yield Progress("Learning glands", step, 3)
                self.stepped.set()
                self.gate.wait(20)
            number = len(self.orders)
            rounds = (*(order.earlier.rounds if order.earlier else ()), number)
            name = "starter, taught in this image"
            spec = SimpleNamespace(tasks=(), pixel_size_um=1.0, task_pixel_size_um={})
            model = SimpleNamespace(name=name, sha256=f"{number:064x}", spec=spec)
            told = SimpleNamespace(model=model, rounds=rounds, notes=(), sentence="Better where it was checked.")
            if self.labels is None:
                told.sentence = "Nothing was changed."
                return Learned(adapted=told, annotation=None)
            made = annotation_of(self.labels, 0.5, model_name=name, model_sha256=model.sha256)
            return Learned(adapted=told, annotation=made)
        finally:
            self.closed.set()

    def _measure(self, order: Any, open_model: Any) -> Job[float]:
        yield Progress("Measuring")
        return self.seconds

    def _keep(self, adapted: Any, name: str) -> Job[Any]:
        yield Progress("Keeping")
        self.kept.append((adapted, name))
        return SimpleNamespace(name=name)


def fake_learn_jobs() -> LearnJobs:
    """Learning that gains nothing."""
    return FakeLearn().jobs


def no_pixel_size(path: Any) -> None:
    """Stands for a file that does not say how large its pixels are."""


Factory = Callable[[Request], Job[Annotation]]
