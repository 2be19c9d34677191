"""What a layer we made carries in its metadata: where it came from, and whether it was edited since."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
import pandas as pd

from ..annotation.finished_areas import FinishedArea, areas_from_json
from ..errors import DataError

KEY = "napari-cerberus"
"""Our entry in ``layer.metadata``."""
MODEL_LABELS = "napari-cerberus model labels"
"""Our entry in ``layer.metadata`` with the model's last result, an array like the layer's."""

HISTORY = "napari-cerberus journal"
"""Our entry in ``layer.metadata`` with the file of the annotation's history; empty or missing where there is none."""

FINISHED = "napari-cerberus finished areas"
"""Our entry in ``layer.metadata`` with the finished areas of the annotation, as ``FinishedArea.to_json`` gives them."""

_LATER = {"flips", "tissue"}
"""Fields that records of older folders lack."""


@dataclass(frozen=True, kw_only=True)
class LayerRecord:
    """Provenance of one result layer; plain JSON types only.

    Attributes
    ----------
    task : str
        Task key, or "tissue map".
    layer_name : str
        The name we gave; a renamed layer is the user's own.
    image_fingerprint, image_name, image_path : str
        The image it belongs to.
    region : tuple of int
        ``(y0, x0, y1, x1)`` in pixels of the annotated level.
    factors : tuple of float
        Full-resolution pixels per pixel of that level.
    pixel_size_um : float
        Side of a pixel of this layer.
    pixel_size_source : str
        How that was known ("assumed" where nobody had said so).
    model_name, model_sha256, device, precision : str
    sensitivity : float
    flips : bool
        Whether confidence includes agreement under flips.
    tissue : mapping of class to probability
        The readout of the run; empty where the model has none.
    made_at : str
        Date and time, ISO 8601 with time zone.
    checksum : int
        Of labels and features as we made them.
    """

    task: str
    layer_name: str = ""
    image_fingerprint: str
    image_name: str
    image_path: str
    region: tuple[int, int, int, int]
    factors: tuple[float, float]
    pixel_size_um: float
    pixel_size_source: str
    model_name: str
    model_sha256: str
    device: str
    precision: str
    sensitivity: float
    made_at: str
    flips: bool = False
    tissue: Mapping[str, float] = field(default_factory=dict)
    checksum: int = 0

    def to_metadata(self) -> dict[str, Any]:
        """The mapping to keep under ``KEY``."""
        return asdict(self)

    @property
    def place(self) -> tuple[Any, ...]:
        """What two layers share if the newer one answers the same question."""
        return self.task, self.image_fingerprint, tuple(self.region), tuple(self.factors)


def record_of(layer: Any) -> LayerRecord | None:
    """The record of a layer we made; None for others and for records of another version."""
    return record_from(layer.metadata.get(KEY)) if isinstance(layer.metadata, dict) else None


def record_from(data: Any) -> LayerRecord | None:
    """The record that ``LayerRecord.to_metadata`` gave; None for anything else."""
    known = {one.name for one in fields(LayerRecord)}
    if not isinstance(data, dict) or not known - _LATER <= set(data) <= known:
        return None
    return LayerRecord(**data)


def checksum_of(layer: Any) -> int:
    """Checksum of a Labels layer's pixels and features.

    A checksum rather than a flag set by events: scripts and other plugins write into ``layer.data`` without any, and
    an edit that was undone is no edit.
    """
    pixels = np.ascontiguousarray(layer.data)
    check = zlib.crc32(repr((pixels.shape, pixels.dtype.str)).encode())
    check = zlib.crc32(pixels.data, check)
    return zlib.crc32(_feature_bytes(layer.features), check)


def was_edited(layer: Any, record: LayerRecord) -> bool:
    """Whether pixels, features or name differ from what we made, or an area of it was finished."""
    finished = any(record.task in area.tasks for area in finished_of(layer))
    return finished or bool(layer.name != record.layer_name) or checksum_of(layer) != record.checksum


def finished_of(layer: Any) -> tuple[FinishedArea, ...]:
    """The finished areas that a layer carries, in its pixels; none where the entry is not ours."""
    try:
        return areas_from_json(layer.metadata.get(FINISHED, []), str(layer.name))
    except DataError:
        return ()


def _feature_bytes(features: pd.DataFrame) -> bytes:
    try:
        hashes = pd.util.hash_pandas_object(features, index=False).to_numpy()
    except TypeError:
        # a column of lists or the like, which we never make: the table was changed by someone
        return b"foreign"
    return repr(list(features.columns)).encode() + hashes.tobytes()
