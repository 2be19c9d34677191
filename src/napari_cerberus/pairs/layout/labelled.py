"""An exported pair as training wants it: image, mask, and what its sidecar knows of every object of every task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..object_rows import REJECTED_STATES
from .ebhi import PairRecord
from .sidecar import Sidecar, SidecarObject, sidecar_paths
from .sidecar_reading import read_label_planes, sidecar_of
from .tile_pixels import read_mask, read_rgb


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledPair:
    """A pair with the instance labels of its sidecar.

    Attributes
    ----------
    image : (H, W, 3) uint8 array
    mask : (H, W) bool array
        As it lies on disk.
    labels : mapping of task to (H, W) int32 array
        The objects to learn from: of the mask's task those that the mask shows, of every other task all that were not
        rejected. 0 is background, ids are those of ``objects``.
    objects : mapping of task to (id to SidecarObject)
        Of exactly the ids in ``labels``: class, review state (``review``), probabilities, whether the tile cut it.
    pixel_size_um : float
    category : str
    patient : str
        The digits of the file name: the group that must never be split.
    patient_id : str
        As the user gave it.
    sidecar : Sidecar
        Everything else: model, annotator, effort, source image, the rejected objects too.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    labels: Mapping[str, NDArray[np.int32]]
    objects: Mapping[str, Mapping[int, SidecarObject]]
    pixel_size_um: float
    category: str
    patient: str
    patient_id: str
    sidecar: Sidecar

    @property
    def mask_agrees(self) -> bool:
        """Whether the mask still shows the sidecar's objects; False where it was edited by hand since."""
        return np.array_equal(self.mask, self.labels[self.sidecar.mask_task] > 0)

    def class_names(self, task: str) -> dict[int, str]:
        """Class of each object of a task; empty where it has none."""
        return {id_: one.class_name for id_, one in self.objects[task].items()}


def read_pair(record: PairRecord) -> LabelledPair | None:
    """Read a pair with its sidecar's instance labels, or None if it has no sidecar (a published pair).

    ``sidecar_of(record)`` alone tells what a pair has (``tasks``, ``pixel_size_um``) without reading any pixels.

    Parameters
    ----------
    record : PairRecord
        From ``ebhi.index_tree``.

    Raises
    ------
    DataError
        If image, mask, sidecar or label file is damaged, belongs to another pair, or they differ in size.
    """
    sidecar = sidecar_of(record)
    if sidecar is None:
        return None
    path, labels_path = sidecar_paths(record.image_path.parent.parent, record.name)
    if (sidecar.category, sidecar.name) != (record.category, record.name):
        raise DataError(f"{path} belongs to {sidecar.category}/{sidecar.name}, not to {record.id}.")
    image, mask = read_rgb(record.image_path), read_mask(record.label_path)
    if not image.shape[:2] == mask.shape == sidecar.size_px:
        raise DataError(f"{path}: image, mask and sidecar are of different sizes; export the pair again.")
    planes = read_label_planes(labels_path, sidecar)
    objects = {task: _learned(sidecar, task) for task in planes}
    return LabelledPair(
        image=image,
        mask=mask,
        labels={task: np.where(np.isin(plane, list(objects[task])), plane, 0) for task, plane in planes.items()},
        objects=objects,
        pixel_size_um=sidecar.pixel_size_um,
        category=sidecar.category,
        patient=record.patient,
        patient_id=sidecar.patient_id,
        sidecar=sidecar,
    )


def _learned(sidecar: Sidecar, task: str) -> dict[int, SidecarObject]:
    """Objects of a task to learn from, by id."""
    own = (one for one in sidecar.objects if one.task == task)
    if task == sidecar.mask_task:
        return {one.id: one for one in own if one.in_mask}
    return {one.id: one for one in own if one.review not in REJECTED_STATES}
