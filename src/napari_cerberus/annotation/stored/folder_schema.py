"""What the JSON files of a saved annotation hold.

``annotation.json`` is what we read: strict and versioned. ``summary.json`` says the same in fewer words to other
programs; we write it and never read it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from ... import __version__
from ...pixel_size import PixelSize
from ...schemas import Count, FileSchema, LongText, Schema, Share, ShortText, UtcTime, read
from ..annotated_image import AnnotatedImage, ModelRun
from ..finished_areas import MAX_AREAS, FinishedArea
from ..frame import Frame

ABOUT_FILE, SUMMARY_FILE = "annotation.json", "summary.json"
FORMAT: Literal["napari-cerberus annotation"] = "napari-cerberus annotation"
IMAGE_FILE: Literal["image.tif"] = "image.tif"

InstanceTask = Literal["nuclei", "glands", "lumina"]
Factor = Annotated[float, Field(ge=1, le=1e6)]
_MOST_TASKS, _MOST_CLASSES, _MOST_NOTES = 20, 1000, 1000


class AnnotationFile(FileSchema):
    """``annotation.json``.

    Attributes
    ----------
    frame : Frame
        Image and region; label images have its shape.
    image_path : str
        Where the image was; only a hint.
    image_file : str
        The image in this folder; empty where it was left where it is.
    factors : (float, float)
        Full-resolution rows and columns per row and column of the annotated level.
    full_brightness : float
        What somebody said is white in an image that is not 8-bit; 0 where the rule decides.
    pixel_size : PixelSize
        Of the label images.
    tasks : list of str
        Each has ``<task>.tif`` and rows in ``objects.csv``.
    corrected : list of str
        Tasks with ``model_<task>.tif``, because pixels differ from what the model made.
    """

    format: Literal["napari-cerberus annotation"] = FORMAT
    format_version: Literal[2] = 2
    program: ShortText = f"napari-cerberus {__version__}"
    saved_at: UtcTime
    saved_by: ShortText
    frame: Frame
    image_path: LongText
    image_file: Literal["", "image.tif"]
    factors: tuple[Factor, Factor]
    full_brightness: Annotated[float, Field(ge=0, le=2**32)] = 0.0
    pixel_size: PixelSize
    tasks: Annotated[tuple[InstanceTask, ...], Field(max_length=_MOST_TASKS)]
    corrected: Annotated[tuple[InstanceTask, ...], Field(max_length=_MOST_TASKS)]
    tissue: Annotated[dict[ShortText, Share], Field(max_length=_MOST_CLASSES)]
    tissue_doubt: LongText = ""
    runs: Annotated[dict[ShortText, ModelRun], Field(max_length=_MOST_TASKS)]
    finished: Annotated[tuple[FinishedArea, ...], Field(max_length=MAX_AREAS)]
    notes: Annotated[tuple[LongText, ...], Field(max_length=_MOST_NOTES)]

    @field_validator("tasks", "corrected")
    @classmethod
    def _different(cls, tasks: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(tasks)) < len(tasks):
            raise ValueError("must be a list of different names")
        return tasks


class ModelName(Schema):
    """Which model it was."""

    name: str
    sha256: str


class Summary(Schema):
    """``summary.json``."""

    image: str
    image_path: str
    tissue: dict[str, float]
    tissue_doubt: LongText
    model: ModelName
    pixel_size_um: float
    pixel_size: PixelSize
    model_pixel_size_um: float
    sensitivity: float
    flips: bool
    device: str
    precision: str
    device_reason: str
    seconds: float
    counts: dict[str, Count]
    notes: tuple[str, ...]


def read_about(folder: Path) -> AnnotationFile:
    """What a saved annotation says of itself. Raises ``DataError``."""
    return read(AnnotationFile, folder / ABOUT_FILE)


def about_of(annotated: AnnotatedImage, *, saved_at: str, saved_by: str, with_image: bool) -> AnnotationFile:
    """``annotation.json`` of a value. Raises ``pydantic.ValidationError`` where it holds what no file may hold."""
    return AnnotationFile(
        saved_at=saved_at,
        saved_by=saved_by,
        frame=annotated.frame,
        image_path=annotated.image_path,
        image_file=IMAGE_FILE if with_image else "",
        factors=annotated.factors,
        full_brightness=annotated.full_brightness,
        pixel_size=annotated.pixel_size,
        tasks=tuple(annotated.labels),  # type: ignore[arg-type]
        corrected=tuple(task for task in annotated.labels if annotated.is_corrected(task)),  # type: ignore[misc]
        tissue={name: float(value) for name, value in annotated.tissue.items()},
        tissue_doubt=annotated.tissue_doubt,
        runs=dict(annotated.runs),
        finished=annotated.finished,
        notes=annotated.notes,
    )


def summary_of(annotated: AnnotatedImage) -> Summary:
    """``summary.json`` of a value."""
    run = annotated.run
    return Summary(
        image=annotated.file_name,
        image_path=annotated.image_path,
        tissue=dict(annotated.tissue),
        tissue_doubt=annotated.tissue_doubt,
        model=ModelName(name=run.model_name, sha256=run.model_sha256),
        pixel_size_um=annotated.pixel_size_um,
        pixel_size=annotated.pixel_size,
        model_pixel_size_um=run.model_pixel_size_um,
        sensitivity=run.sensitivity,
        flips=run.flips,
        device=run.device,
        precision=run.precision,
        device_reason=run.device_reason,
        seconds=round(run.seconds, 3),
        counts=annotated.counts,
        notes=annotated.notes,
    )
