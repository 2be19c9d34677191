"""One tile: annotated as a user would have it annotated, and compared with what was drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import DataError, ImageError
from ...inference.annotate import Annotation, annotate
from ...inference.annotate_settings import AnnotateSettings, DeviceChoice, RepairSettings
from ...model.checkpoint import Model
from ...pixel_size import PixelSize
from ...progress import Job
from ...tasks import TaskSpec
from ..data.tile_sources import LoadedTile, Tile
from .metrics.class_metrics import class_sums
from .metrics.object_metrics import ObjectSums, compare_objects
from .metrics.pixel_metrics import PixelSums, compare_pixels
from .metrics.tile_sums import require_same_shape, tile_means
from .metrics.type_metrics import object_confusion

TISSUE = "tissue"


@dataclass(frozen=True, kw_only=True)
class TaskScore:
    """Comparison of one task's labels on one tile."""

    pixels: PixelSums
    objects: ObjectSums

    def sums(self) -> dict[str, ArrayLike]:
        """Everything that is added up over tiles, by name."""
        failed = self.pixels.conformity_state == "failure"
        return {
            **self.pixels.sums(),
            **self.objects.sums(),
            **tile_means(self.pixels.metrics()),
            **tile_means(self.objects.metrics()),
            "conformity_failures": float(failed),
        }


@dataclass(frozen=True, kw_only=True)
class TileScore:
    """What is known of one tile after scoring it.

    Attributes
    ----------
    id, patient, stratum : str
        As in ``data.Tile``.
    tasks : mapping of task key to TaskScore
    types : mapping of task key to tuple of tuple of int
        Of tasks of kind "types": the confusion matrix of the tile's matched objects (``metrics.types``).
    tissue_truth : int
        Index among the model's tissue classes; -1 where the tile has none of them.
    tissue : tuple of float
        Probability of each tissue class; empty where there is no truth.
    runtime : str
        Device and precision.
    seconds : float
        For annotating it.
    problem : str
        Why it could not be scored; empty where it could.
    """

    id: str
    patient: str
    stratum: str
    tasks: Mapping[str, TaskScore] = field(default_factory=dict)
    types: Mapping[str, tuple[tuple[int, ...], ...]] = field(default_factory=dict)
    tissue_truth: int = -1
    tissue: tuple[float, ...] = ()
    runtime: str = ""
    seconds: float = 0.0
    problem: str = ""

    def tissue_sums(self) -> Mapping[str, ArrayLike]:
        """What the tile's tissue answer adds. Raises ``DataError`` where the tile has none."""
        return class_sums(self.tissue_truth, self.tissue)

    @property
    def tissue_answer(self) -> int:
        """Index of the most probable tissue class."""
        return int(np.argmax(self.tissue))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TileScore:
        """The inverse of ``to_json``. Raises ``KeyError``, ``TypeError`` or ``ValueError`` where it does not fit."""
        tasks = {
            key: TaskScore(pixels=PixelSums(**value["pixels"]), objects=ObjectSums(**value["objects"]))
            for key, value in dict(data["tasks"]).items()
        }
        types = {
            str(key): tuple(tuple(int(count) for count in row) for row in rows)
            for key, rows in dict(data["types"]).items()
        }
        tissue = tuple(float(share) for share in data["tissue"])
        return cls(**{**data, "tasks": tasks, "types": types, "tissue": tissue})


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A tile's score and the labels it was scored with; without labels where it could not be scored."""

    score: TileScore
    labels: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ScoreSettings:
    """What a user could choose in the window, but for the pixel size, which is each tile's own.

    Attributes
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
    sensitivity : float
        0, balanced, is what a first click gives.
    repair : RepairSettings

    Raises
    ------
    SettingsError
        As ``AnnotateSettings``.
    """

    device: DeviceChoice = "auto"
    sensitivity: float = 0.0
    repair: RepairSettings = field(default_factory=RepairSettings)

    def __post_init__(self) -> None:
        self.at(1.0)  # a wrong choice is told before the first tile, not at it

    def at(self, pixel_size_um: float | PixelSize) -> AnnotateSettings:
        """The settings for one tile."""
        return AnnotateSettings(
            pixel_size_um=pixel_size_um, device=self.device, sensitivity=self.sensitivity, repair=self.repair
        )


def score_tile(model: Model, tile: Tile, settings: ScoreSettings | None = None) -> Job[Scored]:
    """Annotate a tile at its own pixel size and compare the result on the tile's own grid.

    A tile that cannot be read, or whose labels do not fit, gives a score with a ``problem`` and no figures.

    Raises
    ------
    DeviceError, CerberusError
        If the model cannot run here: that is no fault of the tile.
    """
    try:
        loaded = tile.load()
        for labels in loaded.labels.values():
            require_same_shape(labels, loaded.image[..., 0])
        chosen = (settings or ScoreSettings()).at(loaded.pixel_size)
        annotation = yield from annotate(loaded.image, model, chosen)
        return compare(tile, loaded, annotation, model.spec.tasks)
    except (DataError, ImageError) as error:
        problem = TileScore(id=tile.id, patient=tile.patient, stratum=tile.stratum, problem=str(error))
        return Scored(score=problem)


def compare(tile: Tile, loaded: LoadedTile, annotation: Annotation, specs: Sequence[TaskSpec] = ()) -> Scored:
    """Score an annotation of a tile; only tasks that both have are compared, and of ``specs`` the types."""
    classes = tuple(annotation.tissue)
    truth = classes.index(tile.stratum) if TISSUE in tile.tasks and tile.stratum in classes else -1
    found = {
        key: annotation.labels[key].astype(np.int32, copy=False) for key in loaded.labels if key in annotation.labels
    }
    keys = list(found)
    score = TileScore(
        id=tile.id,
        patient=tile.patient,
        stratum=tile.stratum,
        tasks={key: compare_labels(loaded.labels[key], found[key]) for key in keys},
        types={
            spec.key: _named(spec, loaded, annotation)
            for spec in specs
            if spec.key in loaded.labels and spec.types_of in keys
        },
        tissue_truth=truth,
        tissue=_shares(list(annotation.tissue.values())) if truth >= 0 else (),
        runtime=f"{annotation.run.device}, {annotation.run.precision}",
        seconds=round(annotation.run.seconds, 3),
    )
    return Scored(score=score, labels=found)


def compare_labels(truth: NDArray[np.int32], predicted: NDArray[np.int32]) -> TaskScore:
    """Pixels and objects of two label images of one size."""
    return TaskScore(pixels=compare_pixels(truth, predicted), objects=compare_objects(truth, predicted))


def _named(spec: TaskSpec, loaded: LoadedTile, annotation: Annotation) -> tuple[tuple[int, ...], ...]:
    objects = annotation.objects[annotation.objects["task"] == spec.types_of].sort_values("index")
    place = {name: index for index, name in enumerate(spec.classes)}
    answers = [place.get(name, 0) for name in objects["class"]]
    truth, predicted = loaded.labels[spec.types_of], annotation.labels[spec.types_of]
    return object_confusion(truth, loaded.labels[spec.key], predicted, answers, spec.channels)


def _shares(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)
