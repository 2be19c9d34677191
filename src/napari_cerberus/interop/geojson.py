"""Objects as GeoJSON that QuPath opens by drag and drop.

One feature an object: outline along pixel edges in pixels of the full image, ``objectType``, ``classification``
with name and colour, ``measurements`` (a map of numbers, QuPath 0.4 and later) and ``metadata`` (a map of texts,
0.5 and later).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..files import atomic_path
from ..pairs.label_arrays import object_boxes
from ..pairs.object_rows import Row, check_table, number_cell, review_cell, rows_by_object, text_cell
from ..progress import Job, Progress
from ..tasks import CLASS_COLOURS, GLANDS, LUMINA, NUCLEI, TASK_COLOURS
from .outlines import Ring, Shape, shapes_of

TASK_CLASSES: dict[str, str] = {NUCLEI: "Nucleus", GLANDS: "Gland", LUMINA: "Lumen"}
"""Classification of objects that have no class of their own."""

_MEASUREMENTS = {
    "confidence": "Confidence",
    "class_probability": "Class probability",
    "area_um2": "Area µm^2",
}
_NAMESPACE = uuid.UUID("6f3b1c5e-3f0a-5d7e-9a55-0d7a3b1f2c4e")
OTHER_COLOUR = "#9a9a9a"
_EVERY = 256


@dataclass(frozen=True, kw_only=True)
class GeoJsonSettings:
    """How objects are written.

    Attributes
    ----------
    detections : tuple of str
        Tasks whose objects become detections, which QuPath draws fast and does not let edit; the others become
        annotations.
    offset_px : (y, x)
        Place of the labels' first pixel in the full image, where the labels are a part of it.
    downsample : float
        Pixels of the full image to a pixel of the labels.
    image_key : str
        Anything that names the image (its hash): ids of its objects are then always the same.
    """

    detections: tuple[str, ...] = (NUCLEI,)
    offset_px: tuple[float, float] = (0.0, 0.0)
    downsample: float = 1.0
    image_key: str = ""


def write_geojson(
    path: Path,
    labels: Mapping[str, NDArray[np.integer]],
    objects: pd.DataFrame,
    settings: GeoJsonSettings | None = None,
) -> Job[int]:
    """Write a FeatureCollection, atomically.

    Parameters
    ----------
    path : Path
        ``.geojson`` or ``.json``.
    labels : mapping of task to (H, W) integer array
    objects : pandas.DataFrame
        Object table; rows that are missing leave objects without class and measurements.
    settings : GeoJsonSettings, optional

    Yields
    ------
    Progress

    Returns
    -------
    int
        Number of features.

    Raises
    ------
    DataError, OutputError
        If the table does not fit, or the file cannot be written; a file that was there is as it was.
    """
    chosen = settings or GeoJsonSettings()
    check_table(objects, str(path))
    rows = rows_by_object(objects)
    with feature_stream(path) as features:
        for task, plane in labels.items():
            for id_, mask, y0, x0 in _masks(plane):
                if features.count % _EVERY == 0:
                    yield Progress(f"Writing {task}", features.count)
                shapes = shapes_of(mask, y0=y0, x0=x0)
                features.add(feature_of(task, id_, shapes, rows.get((task, id_), {}), chosen))
    return features.count


@dataclass
class FeatureStream:
    """A FeatureCollection that is being written, one feature after the other; ``count`` of them so far."""

    stream: TextIO
    count: int = 0

    def add(self, feature: Mapping[str, Any]) -> None:
        """Write one feature."""
        self.stream.write(",\n" if self.count else "\n")
        self.stream.write(json.dumps(feature, ensure_ascii=False))  # the whole text at once: much faster
        self.count += 1


@contextmanager
def feature_stream(path: Path) -> Iterator[FeatureStream]:
    """Open a FeatureCollection for writing, atomically. Raises ``OutputError``; a file that was there is as it was."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write('{"type": "FeatureCollection", "features": [')
        yield FeatureStream(stream)
        stream.write("\n]}\n")


def _masks(labels: NDArray[np.integer]) -> Iterator[tuple[int, NDArray[np.bool_], int, int]]:
    for id_, box in object_boxes(labels):
        yield id_, labels[box] == id_, box[0].start, box[1].start


def feature_of(task: str, id_: int, shapes: list[Shape], row: Row, settings: GeoJsonSettings) -> dict[str, Any]:
    """One object as a GeoJSON feature; ``row`` is its row of the object table."""
    class_name = text_cell(row, "class")
    shown = class_name or TASK_CLASSES.get(task, task)
    colour = CLASS_COLOURS.get(class_name) or TASK_COLOURS.get(task, OTHER_COLOUR)
    measurements = {
        title: value for name, title in _MEASUREMENTS.items() if (value := number_cell(row, name)) is not None
    }
    metadata = {"task": task, "id": str(id_), "class": class_name, "review": review_cell(row)}
    metadata |= {name: text_cell(row, name) for name in ("changed_by", "changed_at")}
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(_NAMESPACE, f"{settings.image_key}/{task}/{id_}")),
        "geometry": _geometry(shapes, settings),
        "properties": {
            "objectType": "detection" if task in settings.detections else "annotation",
            "name": f"{task} {id_}",
            "classification": {"name": shown, "color": rgb(colour)},
            "measurements": measurements,
            "metadata": {name: text for name, text in metadata.items() if text},
        },
    }


def rgb(colour: str) -> list[int]:
    """Red, green and blue, 0..255, of ``#rrggbb``."""
    return [int(colour[start : start + 2], 16) for start in (1, 3, 5)]


def _geometry(shapes: list[Shape], settings: GeoJsonSettings) -> dict[str, Any]:
    polygons = [[_closed(ring, settings) for ring in (shape.outer, *shape.holes)] for shape in shapes]
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}


def _closed(ring: Ring, settings: GeoJsonSettings) -> list[list[float]]:
    down, right = settings.offset_px
    scale = settings.downsample
    return [[_plain(x * scale + right), _plain(y * scale + down)] for x, y in [*ring, ring[0]]]


def _plain(value: float) -> float:
    return int(value) if float(value).is_integer() else value
