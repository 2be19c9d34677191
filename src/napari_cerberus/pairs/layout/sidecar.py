"""The sidecar of a pair: everything the mask cannot hold, as JSON beside 16-bit instance labels.

``<Category>/sidecar/<name>.json`` and ``<Category>/sidecar/<name>.tif``; ``docs/pairs_format.md`` is the schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from ...annotation.stored.label_tiff import write_label_image
from ...errors import DataError
from ...pixel_size import PixelSize
from ...schemas import Count, FileSchema, HexDigest, Schema, Share, to_bytes
from ...tasks import INSTANCE_TASKS

FOLDER = "sidecar"
MAX_ID = 65_535


def _whole_characters(text: object) -> object:
    """Names from other systems may hold halves of characters, which no text file has a code for."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(text, str) else text


def _different(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise ValueError("names a task twice")
    return names


Text = Annotated[str, BeforeValidator(_whole_characters), StringConstraints(max_length=4096)]
Name = Annotated[Text, StringConstraints(min_length=1)]
"""Text that is not empty."""
Digest = Annotated[HexDigest, StringConstraints(min_length=64)]
"""A SHA-256 that is there."""
Size = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
Tasks = Annotated[tuple[Name, ...], AfterValidator(_different)]


class SourceInfo(Schema):
    """Where a tile was cut.

    Attributes
    ----------
    name : str
        The image's file name.
    sha256 : str
        Of the image's pixels, see ``source.pixels_sha256``.
    size_px : (height, width)
    pixel_size : PixelSize
        And how it is known: "assumed" must not be lost.
    crop_px : (y0, x0, y1, x1)
        Half-open, in pixels of the source image; fractions where the tile was resampled; beyond the image where the
        tile was padded.
    padding_px : (top, left, bottom, right)
        Made-up rows and columns of the tile, in its own pixels.
    """

    name: Text
    sha256: Digest
    size_px: Size
    pixel_size: PixelSize
    crop_px: tuple[float, float, float, float]
    padding_px: tuple[int, int, int, int]


class SidecarObject(Schema):
    """One object of one task in the tile.

    Attributes
    ----------
    task : str
    id : int
        Value in the task's plane of the label file.
    source_id : int
        Value in the label layer of the whole image.
    class_name : str
        Empty if it has no class.
    class_probability, confidence : float or None
        0..1; None where not known.
    review : str
        Review state, for example ``accepted``.
    in_mask : bool
        Whether the pair's mask holds it.
    whole : bool
        Whether no part of it was cut off by the tile.
    """

    task: Name
    id: Annotated[int, Field(ge=1, le=MAX_ID)]
    source_id: Annotated[int, Field(ge=1)]
    class_name: Text
    class_probability: Share | None
    confidence: Share | None
    review: Text
    in_mask: bool
    whole: bool


class Sidecar(FileSchema):
    """What is known of a pair; built or read, it is checked alike.

    Attributes
    ----------
    name, category, patient_id : str
    patient_known : bool
        False where the user chose "not known"; the id is then the image's own.
    category_confirmed : bool
        False where nobody but the model's readout says so: it is then no truth.
    block, magnification, number : int
    pixel_size_um : float
        Of the tile.
    size_px : (height, width)
    mask_task, mask_objects : str
        Which task's objects the mask shows, and whether all or the accepted ones.
    source : SourceInfo
    model_name, model_sha256 : str
        Empty where no model was used.
    annotator : str
    effort : mapping of str to float
        Of the whole source image, for example ``active_seconds``, ``edits``.
    tissue : mapping of class to probability
        The model's readout of the whole source image.
    tasks : tuple of str
        Planes of the label file, in order.
    checked : tuple of str
        Those of ``tasks`` whose objects in this tile are complete and right, as a person said; also where there are
        none of them. Planes of other tasks are information, not truth.
    labels_sha256 : str
        Of the label file.
    objects : tuple of SidecarObject
    versions : mapping of program to version
    created : str
        ISO 8601 with time zone.
    """

    format: Literal["napari-cerberus-sidecar/2"] = "napari-cerberus-sidecar/2"
    name: Name
    category: Name
    patient_id: Name
    patient_known: bool
    category_confirmed: bool
    block: Count
    magnification: Count
    number: Count
    pixel_size_um: Annotated[float, Field(ge=1e-6, le=1e6)]
    size_px: Size
    mask_task: Name
    mask_objects: Literal["all", "accepted"]
    source: SourceInfo
    model_name: Text = ""
    model_sha256: HexDigest = ""
    annotator: Text = ""
    effort: Mapping[str, float] = Field(default_factory=dict)
    tissue: Mapping[str, float] = Field(default_factory=dict)
    tasks: Annotated[Tasks, Field(min_length=1)]
    checked: Tasks
    labels_sha256: Digest
    objects: tuple[SidecarObject, ...]
    versions: Mapping[str, str]
    created: Name

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        keys = [(one.task, one.id) for one in self.objects]
        if len(set(keys)) != len(keys):
            raise ValueError("objects lists an id of one task twice")
        if self.mask_task not in self.tasks:
            raise ValueError(f"mask_task is {self.mask_task!r}, which has no labels")
        for task in self.checked:
            if task not in INSTANCE_TASKS:
                raise ValueError(f"checked names {task[:60]!r}, which is none of {', '.join(INSTANCE_TASKS)}")
            if task not in self.tasks:
                raise ValueError(f"checked names {task!r}, which has no labels here")
        if strange := {one.task for one in self.objects} - set(self.tasks):
            raise ValueError(f"objects name a task {min(strange)!r} that has no labels")
        return self


def sidecar_paths(category_folder: Path, name: str) -> tuple[Path, Path]:
    """Paths of the JSON and of the label file of a pair."""
    folder = category_folder / FOLDER
    return folder / f"{name}.json", folder / f"{name}.tif"


def sidecar_json(sidecar: Sidecar) -> str:
    """The text of the JSON file."""
    return to_bytes(sidecar, indent=1).decode("utf-8")


def write_label_stack(path: Path, planes: Mapping[str, NDArray[np.integer]], pixel_size: PixelSize) -> None:
    """Write instance labels as a 16-bit TIFF with one plane a task and the pixel size in its tags.

    Raises
    ------
    DataError
        If an id does not fit into 16 bits.
    """
    for task, labels in planes.items():
        if labels.size and not 0 <= int(labels.min()) <= int(labels.max()) <= MAX_ID:
            raise DataError(f"{path}: {task} has ids outside 0..{MAX_ID}, which 16-bit labels cannot hold.")
    stack = np.stack([labels.astype(np.uint16) for labels in planes.values()])
    write_label_image(path, stack, pixel_size, metadata={"tasks": ",".join(planes)})
