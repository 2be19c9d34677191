"""Sidecars read back, strictly: they come from disks and from other people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...files import sha256_of
from ...schemas import read
from .ebhi import PairRecord
from .sidecar import Sidecar, sidecar_paths
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
    return read(Sidecar, path, max_bytes=_MAX_BYTES)


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
