"""GeoJSON from QuPath, or from us, as instance labels and an object table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, SettingsError
from ..progress import Job, Progress
from ..tasks import GLANDS, NUCLEI
from .feature_stream import read_features
from .geojson_properties import Words
from .imported_objects import ImportedObjects
from .polygons import Painted, paint_polygon

MAX_COORDINATE = 1e9
Box = tuple[int, int, int, int]
_EVERY = 256
_AREAS = ("Polygon", "MultiPolygon")
_COLLECTION = "GeometryCollection"
_GEOMETRIES = (*_AREAS, _COLLECTION, "Point", "MultiPoint", "LineString", "MultiLineString")


@dataclass(frozen=True, kw_only=True)
class ImportSettings:
    """How features become objects.

    Attributes
    ----------
    tasks : mapping of classification name to task
        Overrides what the names suggest; case does not matter.
    default_task : str
        For features whose classification suggests none; empty: they are left out and counted.
    offset_px : (y, x)
        Place of the labels' first pixel in the full image.
    downsample : float
        Pixels of the full image to a pixel of the labels.
    """

    tasks: Mapping[str, str] = field(default_factory=dict)
    default_task: str = GLANDS
    offset_px: tuple[float, float] = (0.0, 0.0)
    downsample: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.downsample) and self.downsample > 0):
            raise SettingsError(f"downsample must be positive, not {self.downsample}.")
        if not all(math.isfinite(one) for one in self.offset_px):
            raise SettingsError(f"offset_px must be two numbers, not {self.offset_px}.")


def read_geojson(path: Path, shape: tuple[int, int], settings: ImportSettings | None = None) -> Job[ImportedObjects]:
    """Read a FeatureCollection, a list of features, one feature, or a bare geometry: all that QuPath reads.

    Objects that we exported keep class, review state and who changed them; one whose class was changed in the other
    program becomes ``edited``. Where objects of one task overlap, the smaller one lies on top, so that what is nested
    is kept.

    Parameters
    ----------
    path : Path
    shape : (height, width)
        Of the labels; what lies outside is left out.
    settings : ImportSettings, optional

    Yields
    ------
    Progress

    Raises
    ------
    DataError
        If the file is no GeoJSON, or a feature's geometry is damaged; says which.
    """
    chosen = settings or ImportSettings()
    notes: Counter[str] = Counter()
    found: list[_Found] = []
    for done, feature in enumerate(_features(path)):
        if done % _EVERY == 0:
            yield Progress(f"Reading outlines: {done:,}")
        one = _found(feature, f"{path}: feature {done + 1}", shape, chosen, notes)
        if one is not None:
            found.append(one)
    return _painted_on(shape, found, notes)


@dataclass(frozen=True)
class _Found:
    task: str
    row: dict[str, Any]
    parts: list[Painted]

    @property
    def area(self) -> int:
        return sum(int(part.mask.sum()) for part in self.parts)


def _features(path: Path) -> Iterator[dict[str, Any]]:
    """All features; those of nested ``childObjects`` follow their parents."""
    for one in read_features(path):
        waiting = [one]
        while waiting:
            feature = waiting.pop()
            if isinstance(feature, dict) and feature.get("type") in _GEOMETRIES:
                feature = {"type": "Feature", "geometry": feature}
            if not isinstance(feature, dict) or feature.get("type") != "Feature":
                raise DataError(f"{path} is no GeoJSON of objects: it holds something that is no Feature.")
            yield feature
            properties = feature.get("properties")
            if isinstance(properties, dict):
                children = properties.get("childObjects", properties.get("children"))
                waiting.extend(reversed(children) if isinstance(children, list) else ())


def extent_of(path: Path) -> Job[Box | None]:
    """Rectangle (top, left, bottom, right) of all outlines of a file, in whole pixels; None where there is none.

    Raises
    ------
    DataError
        If the file is no GeoJSON, or a feature's geometry is damaged; says which.
    """
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    settings = ImportSettings()
    for done, feature in enumerate(_features(path)):
        if done % _EVERY == 0:
            yield Progress(f"Looking at outlines: {done:,}")
        for area in _areas(feature.get("geometry")):
            for rings in _polygons(area, f"{path}: feature {done + 1}"):
                points = _ring(rings[0], f"{path}: feature {done + 1}", settings) if rings else np.empty((0, 2))
                if len(points):
                    low, high = np.minimum(low, points.min(axis=0)), np.maximum(high, points.max(axis=0))
    if not np.isfinite(low).all():
        return None
    (left, top), (right, bottom) = np.floor(low).astype(int).tolist(), np.ceil(high).astype(int).tolist()
    return top, left, bottom, right


def _found(
    feature: dict[str, Any],
    source: str,
    shape: tuple[int, int],
    settings: ImportSettings,
    notes: Counter[str],
) -> _Found | None:
    words = Words(feature)
    task = words.task_by(settings.tasks, settings.default_task)
    if not task:
        notes["{} object(s) of a class that stands for no task were left out"] += 1
        return None
    geometry = feature.get("nucleusGeometry") if task == NUCLEI and "nucleusGeometry" in feature else None
    parts = _parts(geometry or feature.get("geometry"), source, shape, settings, notes)
    if parts is None:
        return None
    if any(part.crosses_itself for part in parts):
        notes["{} outline(s) cross themselves; all that they enclose was taken"] += 1
    if not any(part.mask.any() for part in parts):
        notes["{} object(s) are empty or lie outside the image and were left out"] += 1
        return None
    if words.reclassified:
        notes["{} object(s) have another class than they were exported with; they count as edited"] += 1
    return _Found(task, words.row(task), parts)


def _parts(
    geometry: object, source: str, shape: tuple[int, int], settings: ImportSettings, notes: Counter[str]
) -> list[Painted] | None:
    """Painted polygons of a geometry; None, and a note, where it has no area in this image."""
    areas = list(_areas(geometry))
    if not areas:
        notes["{} feature(s) without an area (points, lines) were left out"] += 1
        return None
    if any(_plane(area) != (0, 0) for area in (geometry, *areas)):
        notes["{} object(s) of another plane (z or t) were left out"] += 1
        return None
    polygons = [rings for area in areas for rings in _polygons(area, source)]
    outlines = [[_ring(ring, source, settings) for ring in rings] for rings in polygons if rings]
    return [
        paint_polygon([rings[0], *(hole for hole in rings[1:] if len(hole) > 2)], shape)
        for rings in outlines
        if len(rings[0]) > 2
    ]


def _areas(geometry: object) -> Iterator[dict[str, Any]]:
    """Polygons and multipolygons of a geometry, those of collections too."""
    waiting = [geometry]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict) and one.get("type") in _AREAS:
            yield one
        elif isinstance(one, dict) and one.get("type") == _COLLECTION and isinstance(one.get("geometries"), list):
            waiting.extend(reversed(one["geometries"]))


def _plane(geometry: object) -> tuple[object, object]:
    """z and t of QuPath's ``plane``; (0, 0) where there is none."""
    plane = geometry.get("plane") if isinstance(geometry, dict) else None
    return (plane.get("z", 0), plane.get("t", 0)) if isinstance(plane, dict) else (0, 0)


def _polygons(area: dict[str, Any], source: str) -> list[list[object]]:
    """Rings of each polygon."""
    kind, coordinates = area["type"], area.get("coordinates")
    polygons = [coordinates] if kind == "Polygon" else coordinates
    if not isinstance(polygons, list) or not all(isinstance(rings, list) for rings in polygons):
        raise DataError(f"{source} has coordinates that are no {kind}.")
    return polygons


def _ring(ring: object, source: str, settings: ImportSettings) -> NDArray[np.float64]:
    """(n, 2) x, y in pixels of the labels."""
    if ring == []:
        return np.empty((0, 2))
    try:
        points = np.array([point[:2] for point in ring], dtype=np.float64)  # type: ignore[attr-defined]
    except (TypeError, ValueError, KeyError, IndexError, OverflowError) as error:
        raise DataError(f"{source} has a ring that is no list of x and y.") from error
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise DataError(f"{source} has a ring that is no list of x and y.")
    if np.abs(points).max() > MAX_COORDINATE:
        raise DataError(f"{source} has coordinates beyond {MAX_COORDINATE:g} px.")
    down, right = settings.offset_px
    return (points - [right, down]) / settings.downsample


def _painted_on(shape: tuple[int, int], found: list[_Found], notes: Counter[str]) -> ImportedObjects:
    labels = {task: np.zeros(shape, np.int32) for task in dict.fromkeys(one.task for one in found)}
    rows = []
    numbers: Counter[str] = Counter()
    for one in found:
        numbers[one.task] += 1
        rows.append((one, {**one.row, "index": numbers[one.task]}))
    for one, row in sorted(rows, key=lambda pair: -pair[0].area):
        plane = labels[one.task]
        for part in one.parts:
            view = plane[part.y0 : part.y0 + part.mask.shape[0], part.x0 : part.x0 + part.mask.shape[1]]
            if view[part.mask].any():
                notes["{} outline(s) overlap others of their kind; the smaller one lies on top"] += 1
            view[part.mask] = row["index"]
    present = {task: set(np.unique(plane).tolist()) for task, plane in labels.items()}
    table = [row for one, row in rows if row["index"] in present[one.task]]
    hidden = len(rows) - len(table)
    if hidden:
        notes["{} object(s) are hidden by smaller ones and were left out"] += hidden
    return ImportedObjects(
        labels=labels,
        objects=pd.DataFrame(table),
        notes=tuple(f"{text.format(number)}." for text, number in notes.items()),
    )
