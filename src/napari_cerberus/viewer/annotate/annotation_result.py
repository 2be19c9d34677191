"""What a finished annotation says, in values a panel can show and in words a user can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ...tasks import INSTANCE_TASKS, objects_of
from ..colours import LARGEST_PLAIN_ID, largest_coloured_id
from ..layer_provenance import LayerRecord
from ..layers import Added
from ..session import RunSummary
from .annotate_jobs import Request

_DEVICE_NAMES = {"cpu": "CPU", "cuda": "GPU", "mps": "GPU"}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The last annotation of an image, and where it lies; the copy of the image itself is gone.

    Attributes
    ----------
    annotation : napari_cerberus.inference.annotate.Annotation
    readout : Readout
    record : LayerRecord
    origin, factors : tuple of float
        First pixel of the annotated part, and full-resolution pixels per pixel of it; see ``grid.placement``.
    """

    annotation: Any
    readout: RunSummary
    record: LayerRecord
    origin: tuple[float, float]
    factors: tuple[float, float]

    @classmethod
    def to(cls, request: Request, annotation: Any, image_name: str) -> Answer:
        """The answer to ``request``."""
        return cls(
            annotation=annotation,
            readout=readout_of(request, annotation, image_name),
            record=record_for(request, annotation),
            origin=request.picture.box.origin,
            factors=request.picture.factors,
        )

    def cells(self, spacing: float) -> tuple[tuple[float, float], tuple[float, float]]:
        """Origin and factors of a map whose cells are ``spacing`` pixels of the annotated part wide."""
        (y, x), (rows, columns) = self.origin, self.factors
        return (y / spacing, x / spacing), (rows * spacing, columns * spacing)


def readout_of(request: Request, annotation: Any, image_name: str) -> RunSummary:
    """The values of an annotation, without its arrays."""
    objects = annotation.objects
    counts = {task: annotation.counts[task] for task in ordered(annotation.labels)}
    return RunSummary(
        image_id=request.picture.image_id,
        image_name=image_name,
        tissue=dict(annotation.tissue),
        counts=counts,
        classes={task: typed for task in counts if (typed := _class_counts(objects, task))},
        model_name=annotation.run.model_name,
        device=annotation.run.device,
        precision=annotation.run.precision,
        device_reason=annotation.run.device_reason,
        seconds=float(annotation.run.seconds),
        tissue_doubt=annotation.tissue_doubt,
        notes=tuple(annotation.notes),
        has_tissue_map=annotation.tissue_map is not None,
    )


def as_corrected(readout: RunSummary, layers: Sequence[tuple[Any, LayerRecord]]) -> RunSummary:
    """``readout`` with the objects that its layers hold now, after corrections."""
    counts, classes = _in_layers(layers)
    kept = {task: typed for task, typed in readout.classes.items() if task not in counts}
    return replace(readout, counts={**readout.counts, **counts}, classes={**kept, **classes})


def _in_layers(layers: Sequence[tuple[Any, LayerRecord]]) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """Objects by task, and for tasks with classes by class, the most frequent first."""
    tables = {one.task: layer.features for layer, one in layers}
    typed = {task: table["class"].value_counts() for task, table in tables.items() if "class" in table}
    classes = {task: {str(name): int(n) for name, n in counts.items() if name} for task, counts in typed.items()}
    return {task: len(tables[task]) for task in ordered(tables)}, {task: one for task, one in classes.items() if one}


def readout_of_layers(image_id: str, layers: Sequence[tuple[Any, LayerRecord]]) -> RunSummary:
    """What result layers say of the run that made them: those of a saved or restored annotation, say.

    Parameters
    ----------
    image_id : str
        The image layer they belong to.
    layers : sequence of (layer, record)
        Of one annotation, at least one.
    """
    record = layers[0][1]
    counts, classes = _in_layers(layers)
    return RunSummary(
        image_id=image_id,
        image_name=record.image_name,
        tissue=next((one.tissue for _, one in layers if one.tissue), {}),
        tissue_doubt=next((one.tissue_doubt for _, one in layers if one.tissue), ""),
        counts=counts,
        classes=classes,
        model_name=record.model_name or "none",
        device=record.device,
        precision=record.precision,
        device_reason=f"Annotated {record.made_at[:10]}.",
        seconds=0.0,
    )


def record_for(request: Request, annotation: Any) -> LayerRecord:
    """Provenance common to the layers of one annotation."""
    picture = request.picture
    return LayerRecord(
        task="",
        image_fingerprint=picture.fingerprint,
        image_name=picture.image_name,
        image_path=picture.path,
        region=picture.box.as_tuple(),
        factors=picture.factors,
        pixel_size=request.pixel_size,
        model_name=annotation.run.model_name,
        model_sha256=annotation.run.model_sha256,
        device=annotation.run.device,
        precision=annotation.run.precision,
        sensitivity=request.sensitivity,
        flips=request.flips,
        full_brightness=picture.full_brightness,
        tissue=dict(annotation.tissue),
        tissue_doubt=annotation.tissue_doubt,
        made_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )


def ordered(tasks: Mapping[str, Any]) -> list[str]:
    """Task keys, the known ones first and in drawing order."""
    return sorted(tasks, key=lambda task: INSTANCE_TASKS.index(task) if task in INSTANCE_TASKS else 99)


def device_sentence(readout: RunSummary) -> str:
    """ "3.2 s on CPU (bf16)"."""
    device = _DEVICE_NAMES.get(readout.device, readout.device)
    return f"{readout.seconds:.1f} s on {device} ({readout.precision})"


def summary_sentence(readout: RunSummary) -> str:
    """ "212 nuclei, 31 glands, 28 lumina; 3.2 s on CPU (bf16)"."""
    found = ", ".join(objects_of(task, number) for task, number in readout.counts.items()) or "no objects"
    return f"{found}; {device_sentence(readout)}"


def added_sentence(readout: RunSummary, added: Added) -> str:
    """The summary, and what became of layers the user had edited."""
    sentence = f"{summary_sentence(readout)}."
    if max(readout.counts.values(), default=0) > largest_coloured_id():
        sentence += f" Objects past the {LARGEST_PLAIN_ID:,}th show no class colour; install numba to see it."
    if added.kept:
        names = " and ".join(f"“{name}”" for name in added.kept)
        sentence += f" {names} {'was' if len(added.kept) == 1 else 'were'} edited and kept; the new result is beside."
    return sentence


def _class_counts(objects: Any, task: str) -> dict[str, int]:
    """Objects per class, most frequent first; empty where the task has no classes."""
    classes = objects.loc[objects["task"] == task, "class"]
    return {str(name): int(number) for name, number in classes[classes != ""].value_counts().items()}
