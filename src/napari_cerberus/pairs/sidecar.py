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

from ..errors import DataError
from ..files import sha256_of
from .ebhi import PairRecord
from .fields import Fields
from .pixels import read_stack
from .strict_json import read_object

FORMAT = "napari-cerberus-sidecar/1"
FOLDER = "sidecar"
MAX_ID = 65_535
_MAX_BYTES = 256 * 2**20
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
    pixel_size_um : float
    crop_px : (y0, x0, y1, x1)
        Half-open, in pixels of the source image; fractions where the tile was resampled; beyond the image where the
        tile was padded.
    padding_px : (top, left, bottom, right)
        Made-up rows and columns of the tile, in its own pixels.
    """

    name: str
    sha256: str
    size_px: tuple[int, int]
    pixel_size_um: float
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
    labels_sha256: str
    objects: tuple[SidecarObject, ...]
    versions: Mapping[str, str]
    created: str


def sidecar_paths(category_folder: Path, name: str) -> tuple[Path, Path]:
    """Paths of the JSON and of the label file of a pair."""
    folder = category_folder / FOLDER
    return folder / f"{name}.json", folder / f"{name}.tif"


def sidecar_of(record: PairRecord) -> Sidecar | None:
    """The sidecar of a pair, or None if it has none. Raises ``DataError`` if it is damaged."""
    path, _ = sidecar_paths(record.image_path.parent.parent, record.name)
    return read_sidecar(path) if path.exists() else None


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


def read_sidecar(path: Path) -> Sidecar:
    """Read a sidecar's JSON, strictly.

    Raises
    ------
    DataError
        If the file is missing, damaged, of a newer version, or has fields that are missing, unknown or wrong.
    """
    fields = Fields(read_object(path, max_bytes=_MAX_BYTES), str(path))
    form = fields.text("format")
    if form != FORMAT:
        raise DataError(f"{path}: format is {form[:60]!r}, but this version reads {FORMAT!r}.")
    fields.only({"format", *Sidecar.__dataclass_fields__})
    sidecar = Sidecar(
        name=fields.text("name"),
        category=fields.text("category"),
        patient_id=fields.text("patient_id"),
        patient_known=fields.flag("patient_known"),
        block=fields.whole("block"),
        magnification=fields.whole("magnification"),
        number=fields.whole("number"),
        pixel_size_um=fields.number("pixel_size_um", 1e-6, 1e6),
        size_px=_size(fields, "size_px"),
        mask_task=fields.text("mask_task"),
        mask_objects=fields.choice("mask_objects", OBJECT_CHOICES),
        source=_source(fields.inner("source")),
        model_name=fields.text("model_name", empty=True),
        model_sha256=fields.sha256("model_sha256", empty=True),
        annotator=fields.text("annotator", empty=True),
        effort=fields.mapping_of_numbers("effort"),
        tissue=fields.mapping_of_numbers("tissue"),
        tasks=fields.texts("tasks"),
        labels_sha256=fields.sha256("labels_sha256"),
        objects=tuple(_object(one) for one in fields.objects("objects")),
        versions=fields.mapping_of_texts("versions"),
        created=fields.text("created"),
    )
    _check_objects(path, sidecar)
    return sidecar


def read_label_planes(path: Path, sidecar: Sidecar) -> dict[str, NDArray[np.int32]]:
    """Instance labels of each task, checked against the sidecar.

    Parameters
    ----------
    path : Path
        The label file.
    sidecar : Sidecar

    Returns
    -------
    mapping of task to (H, W) int32 array

    Raises
    ------
    DataError
        If the file is missing, damaged, changed since the export, or holds ids that the sidecar does not list.
    """
    stack = read_stack(path)
    if sha256_of(path) != sidecar.labels_sha256:
        raise DataError(f"{path} was changed since it was exported; export the pair again.")
    if stack.shape != (len(sidecar.tasks), *sidecar.size_px) or stack.dtype != np.uint16:
        raise DataError(f"{path} has shape {stack.shape} and type {stack.dtype}, unlike its sidecar says.")
    planes = {task: plane.astype(np.int32) for task, plane in zip(sidecar.tasks, stack, strict=True)}
    for task, plane in planes.items():
        listed = {one.id for one in sidecar.objects if one.task == task}
        if set(np.unique(plane[plane > 0]).tolist()) != listed:
            raise DataError(f"{path}: the ids of {task} are not those that its sidecar lists.")
    return planes


def _source(fields: Fields) -> SourceInfo:
    fields.only(SourceInfo.__dataclass_fields__)
    y0, x0, y1, x1 = fields.numbers("crop_px", 4)
    top, left, bottom, right = (int(one) for one in fields.numbers("padding_px", 4))
    return SourceInfo(
        name=fields.text("name", empty=True),
        sha256=fields.sha256("sha256"),
        size_px=_size(fields, "size_px"),
        pixel_size_um=fields.number("pixel_size_um", 1e-6, 1e6),
        crop_px=(y0, x0, y1, x1),
        padding_px=(top, left, bottom, right),
    )


def _object(fields: Fields) -> SidecarObject:
    fields.only(SidecarObject.__dataclass_fields__)
    return SidecarObject(
        task=fields.text("task"),
        id=fields.whole("id", 1, MAX_ID),
        source_id=fields.whole("source_id", 1),
        class_name=fields.text("class_name", empty=True),
        class_probability=fields.number_or_none("class_probability", 0, 1),
        confidence=fields.number_or_none("confidence", 0, 1),
        review=fields.text("review", empty=True),
        in_mask=fields.flag("in_mask"),
        whole=fields.flag("whole"),
    )


def _size(fields: Fields, name: str) -> tuple[int, int]:
    height, width = fields.numbers(name, 2)
    if not (height.is_integer() and width.is_integer() and height >= 1 and width >= 1):
        raise DataError(f"{fields.source}: {name} must be two whole numbers of 1 or more.")
    return int(height), int(width)


def _check_objects(path: Path, sidecar: Sidecar) -> None:
    keys = [(one.task, one.id) for one in sidecar.objects]
    if len(set(keys)) != len(keys):
        raise DataError(f"{path}: objects lists an id of one task twice.")
    if len(set(sidecar.tasks)) != len(sidecar.tasks) or not sidecar.tasks:
        raise DataError(f"{path}: tasks must be different names, at least one.")
    strange = {one.task for one in sidecar.objects} - set(sidecar.tasks)
    if strange:
        raise DataError(f"{path}: objects name a task {min(strange)!r} that has no labels.")
