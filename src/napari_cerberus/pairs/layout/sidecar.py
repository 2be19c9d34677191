"""The sidecar of a pair: everything the mask cannot hold, as JSON beside 16-bit instance labels.

``<Category>/sidecar/<name>.json`` and ``<Category>/sidecar/<name>.tif``; ``docs/pairs_format.md`` is the schema.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from ...errors import DataError
from ...pixel_size import PixelSize

FORMAT = "napari-cerberus-sidecar/2"
FOLDER = "sidecar"
MAX_ID = 65_535
OBJECT_CHOICES = ("all", "accepted")


@dataclass(frozen=True, kw_only=True)
class SourceInfo:
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

    name: str
    sha256: str
    size_px: tuple[int, int]
    pixel_size: PixelSize
    crop_px: tuple[float, float, float, float]
    padding_px: tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class SidecarObject:
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

    task: str
    id: int
    source_id: int
    class_name: str
    class_probability: float | None
    confidence: float | None
    review: str
    in_mask: bool
    whole: bool


@dataclass(frozen=True, kw_only=True)
class Sidecar:
    """What is known of a pair.

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

    name: str
    category: str
    patient_id: str
    patient_known: bool
    category_confirmed: bool
    block: int
    magnification: int
    number: int
    pixel_size_um: float
    size_px: tuple[int, int]
    mask_task: str
    mask_objects: str
    source: SourceInfo
    model_name: str = ""
    model_sha256: str = ""
    annotator: str = ""
    effort: Mapping[str, float] = field(default_factory=dict)
    tissue: Mapping[str, float] = field(default_factory=dict)
    tasks: tuple[str, ...]
    checked: tuple[str, ...]
    labels_sha256: str
    objects: tuple[SidecarObject, ...]
    versions: Mapping[str, str]
    created: str


def sidecar_paths(category_folder: Path, name: str) -> tuple[Path, Path]:
    """Paths of the JSON and of the label file of a pair."""
    folder = category_folder / FOLDER
    return folder / f"{name}.json", folder / f"{name}.tif"


def sidecar_json(sidecar: Sidecar) -> str:
    """The text of the JSON file."""
    content = {"format": FORMAT, **asdict(sidecar)}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_label_stack(path: Path, planes: Mapping[str, NDArray[np.integer]], pixel_size_um: float) -> None:
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
    tifffile.imwrite(
        path,
        stack,
        photometric="minisblack",
        compression="zlib",
        resolution=(1e4 / pixel_size_um, 1e4 / pixel_size_um),
        resolutionunit="CENTIMETER",
        metadata={"axes": "CYX", "tasks": ",".join(planes)},
    )
