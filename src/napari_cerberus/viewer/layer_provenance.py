"""What a layer we made carries in its metadata: where it came from, and whether it was edited since."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
import pandas as pd

from ..annotation.annotated_image import BY_HAND, AnnotatedImage, ModelRun
from ..annotation.finished_areas import FinishedArea, areas_from_json
from ..annotation.frame import Frame
from ..errors import DataError
from ..pixel_size import PixelSize

KEY = "napari-cerberus"
"""Our entry in ``layer.metadata``."""
MODEL_LABELS = "napari-cerberus model labels"
"""Our entry in ``layer.metadata`` with the model's last result, an array like the layer's."""

IMAGE_PATH = "napari-cerberus image path"
"""Our entry in the ``metadata`` of an image layer that was opened with its annotation: the image's own file."""

HISTORY = "napari-cerberus journal"
"""Our entry in ``layer.metadata`` with the file of the annotation's history; empty or missing where there is none."""

SAVED_IN = "napari-cerberus folder"
"""Our entry in ``layer.metadata`` with the folder that it was opened from or saved in; missing where there is none."""

RUN_KEY = "napari-cerberus slide run"
"""Entry of the metadata of layers of an annotated slide: the run's folder, the slide's identity, and the task (empty
for maps)."""

FINISHED = "napari-cerberus finished areas"
"""Our entry in ``layer.metadata`` with the finished areas of the annotation, as ``FinishedArea.to_json`` gives them."""


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
    pixel_size : PixelSize
        Of this layer.
    model_name, model_sha256, device, precision : str
    sensitivity : float
    flips : bool
        Whether confidence includes agreement under flips.
    full_brightness : float
        What the user said is white in the image; 0 where the rule decides.
    tissue : mapping of class to probability
        The readout of the run; empty where the model has none.
    tissue_doubt : str
        Why the readout should not be relied on.
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
    pixel_size: PixelSize
    model_name: str
    model_sha256: str
    device: str
    precision: str
    sensitivity: float
    made_at: str
    flips: bool = False
    full_brightness: float = 0.0
    tissue: Mapping[str, float] = field(default_factory=dict)
    tissue_doubt: str = ""
    checksum: int = 0

    def to_metadata(self) -> dict[str, Any]:
        """The mapping to keep under ``KEY``."""
        return {**asdict(self), "pixel_size": self.pixel_size.to_json()}

    @classmethod
    def of(cls, annotated: AnnotatedImage, task: str) -> LayerRecord:
        """The record of one task of an annotated image."""
        run = annotated.runs.get(task, BY_HAND)
        return cls(
            task=task,
            image_fingerprint=annotated.frame.image_key,
            image_name=annotated.name,
            image_path=annotated.image_path,
            region=annotated.frame.region,
            factors=annotated.factors,
            pixel_size=annotated.pixel_size,
            model_name=run.model_name,
            model_sha256=run.model_sha256,
            device=run.device,
            precision=run.precision,
            sensitivity=run.sensitivity,
            flips=run.flips,
            full_brightness=annotated.full_brightness,
            tissue=dict(annotated.tissue),
            tissue_doubt=annotated.tissue_doubt,
            made_at=run.made_at,
        )

    @property
    def pixel_size_um(self) -> float:
        """Side of the square pixel of the same area."""
        return self.pixel_size.mean_um

    @property
    def run(self) -> ModelRun:
        """What made the layer."""
        return ModelRun(
            model_name=self.model_name,
            model_sha256=self.model_sha256,
            device=self.device,
            precision=self.precision,
            sensitivity=self.sensitivity,
            flips=self.flips,
            made_at=self.made_at,
        )

    @property
    def frame(self) -> Frame:
        """Image and region; of the image's size it knows the region only."""
        top, left, bottom, right = (int(value) for value in self.region)
        return Frame(
            image_key=self.image_fingerprint,
            image_name=self.image_name,
            image_height_px=bottom,
            image_width_px=right,
            region=(top, left, bottom, right),
        )

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
    if not isinstance(data, dict) or set(data) != known or not isinstance(data["pixel_size"], dict):
        return None
    return LayerRecord(**{**data, "pixel_size": PixelSize.from_json(data["pixel_size"])})


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
