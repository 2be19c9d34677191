"""Sidecars read back, strictly: they come from disks and from other people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...files import sha256_of
from ...pixel_size import RANGE_UM, PixelSize, PixelSizeSource
from ...strict_json import read_object
from ...tasks import INSTANCE_TASKS
from .ebhi import PairRecord
from .fields import Fields
from .sidecar import FORMAT, MAX_ID, OBJECT_CHOICES, Sidecar, SidecarObject, SourceInfo, sidecar_paths
from .tile_pixels import read_stack, stack_shape

_MAX_BYTES = 256 * 2**20


def sidecar_of(record: PairRecord) -> Sidecar | None:
    """The sidecar of a pair, or None if it has none. Raises ``DataError`` if it is damaged."""
    path, _ = sidecar_paths(record.image_path.parent.parent, record.name)
    return read_sidecar(path) if path.exists() else None


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
        category_confirmed=fields.flag("category_confirmed"),
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
        checked=fields.texts("checked"),
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
    expected = (len(sidecar.tasks), *sidecar.size_px)
    if stack_shape(path) != expected:  # before it is unpacked
        raise DataError(f"{path} has shape {stack_shape(path)}, unlike its sidecar says.")
    stack = read_stack(path)
    if sha256_of(path) != sidecar.labels_sha256:
        raise DataError(f"{path} was changed since it was exported; export the pair again.")
    if stack.shape != expected or stack.dtype != np.uint16:
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
        pixel_size=_pixel_size(fields.inner("pixel_size")),
        crop_px=(y0, x0, y1, x1),
        padding_px=(top, left, bottom, right),
    )


def _pixel_size(fields: Fields) -> PixelSize:
    fields.only(("y_um", "x_um", "source"))
    y_um, x_um = (fields.number(name, *RANGE_UM) for name in ("y_um", "x_um"))
    return PixelSize(y_um, x_um, PixelSizeSource(fields.choice("source", tuple(PixelSizeSource))))


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
    if sidecar.mask_task not in sidecar.tasks:
        raise DataError(f"{path}: mask_task is {sidecar.mask_task!r}, which has no labels.")
    _check_checked(path, sidecar)
    strange = {one.task for one in sidecar.objects} - set(sidecar.tasks)
    if strange:
        raise DataError(f"{path}: objects name a task {min(strange)!r} that has no labels.")


def _check_checked(path: Path, sidecar: Sidecar) -> None:
    if len(set(sidecar.checked)) != len(sidecar.checked):
        raise DataError(f"{path}: checked names a task twice.")
    for task in sidecar.checked:
        if task not in INSTANCE_TASKS:
            raise DataError(f"{path}: checked names {task[:60]!r}, which is none of {', '.join(INSTANCE_TASKS)}.")
        if task not in sidecar.tasks:
            raise DataError(f"{path}: checked names {task!r}, which has no labels here.")
