"""COCO instance annotations read back: run lengths, also compressed ones, and polygons."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..decode_errors import reason_of
from ..errors import DataError
from ..pairs.layout.fields import Fields
from ..progress import Job, Progress
from ..strict_json import read_object
from .polygons import paint_polygon
from .run_lengths import decode_runs, decompress_runs

_EVERY = 256
_MAX_PIXELS = 400_000_000
_MAX_COORDINATE = 1e9


@dataclass(frozen=True, kw_only=True)
class CocoContent:
    """One image's objects, read back.

    Attributes
    ----------
    file_name : str
    labels : mapping of task to (H, W) int32 array
    objects : pandas.DataFrame
    notes : tuple of str
    """

    file_name: str
    labels: dict[str, NDArray[np.int32]]
    objects: pd.DataFrame
    notes: tuple[str, ...]


def read_coco(path: Path) -> Job[list[CocoContent]]:
    """Read a COCO instance file: run lengths (also compressed ones) and polygons.

    The task is the supercategory, or the category where there is none; a later object lies on top of an earlier one.

    Yields
    ------
    Progress

    Raises
    ------
    DataError
        If the file is missing, damaged, or an annotation does not fit its image; says which.
    """
    fields = Fields(read_object(path), str(path))
    images = {one.whole("id"): one for one in fields.objects("images")}
    categories = {one.whole("id"): one for one in fields.objects("categories")}
    contents = {number: _Reading(one) for number, one in images.items()}
    annotations = fields.objects("annotations")
    for done, annotation in enumerate(annotations):
        if done % _EVERY == 0:
            yield Progress("Reading objects", done, len(annotations))
        image, category = annotation.whole("image_id"), annotation.whole("category_id")
        if image not in contents or category not in categories:
            raise DataError(f"{annotation.source} belongs to an image or a category that the file does not list.")
        contents[image].add(annotation, categories[category])
    return [one.content() for one in contents.values()]


class _Reading:
    """Collects the objects of one image."""

    def __init__(self, image: Fields) -> None:
        self._file_name = image.text("file_name")
        self._shape = (image.whole("height", 1, _MAX_PIXELS), image.whole("width", 1, _MAX_PIXELS))
        if self._shape[0] * self._shape[1] > _MAX_PIXELS:
            raise DataError(f"{image.source} has more than {_MAX_PIXELS} pixels.")
        self._labels: dict[str, NDArray[np.int32]] = {}
        self._rows: list[dict[str, Any]] = []
        self._counts: Counter[str] = Counter()
        self._empty = 0

    def add(self, annotation: Fields, category: Fields) -> None:
        task, class_name = _task_and_class(category)
        rows, columns = _pixels(annotation, self._shape)
        if not len(rows):
            self._empty += 1
            return
        self._counts[task] += 1
        plane = self._labels.setdefault(task, np.zeros(self._shape, np.int32))
        plane[rows, columns] = self._counts[task]
        self._rows.append({"task": task, "index": self._counts[task], "class": class_name, **_known(annotation)})

    def content(self) -> CocoContent:
        notes = (f"{self._empty} object(s) are empty and were left out.",) if self._empty else ()
        return CocoContent(
            file_name=self._file_name, labels=self._labels, objects=pd.DataFrame(self._rows), notes=notes
        )


def _task_and_class(category: Fields) -> tuple[str, str]:
    name = category.text("name")
    task = category.text_or("supercategory", "") or name
    return task, name.removeprefix(task).removeprefix(": ") if name != task else ""


def _known(annotation: Fields) -> dict[str, Any]:
    row: dict[str, Any] = {}
    if annotation.has("score"):
        row["confidence"] = annotation.number("score", 0, 1)
    if annotation.has("review"):
        row["state"] = annotation.text("review")
    return row


def _pixels(annotation: Fields, shape: tuple[int, int]) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Rows and columns of an object's pixels."""
    segmentation = annotation.value("segmentation")
    try:
        if isinstance(segmentation, dict):
            if list(segmentation["size"]) != list(shape):
                raise ValueError("its size is not that of the image")
            counts = segmentation["counts"]
            return decode_runs(decompress_runs(counts) if isinstance(counts, str) else counts, shape)
        return _inside(segmentation, shape)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        raise DataError(f"{annotation.source}: its segmentation is damaged ({reason_of(error)}).") from error


def _inside(polygons: Any, shape: tuple[int, int]) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    rows, columns = [np.empty(0, int)], [np.empty(0, int)]
    for polygon in polygons:
        ring = np.array(polygon, dtype=np.float64).reshape(-1, 2)
        if not np.isfinite(ring).all() or len(ring) < 3 or np.abs(ring).max() > _MAX_COORDINATE:
            raise ValueError("a polygon is no list of x and y")
        part = paint_polygon([ring], shape)
        inside = np.nonzero(part.mask)
        rows.append(inside[0] + part.y0)
        columns.append(inside[1] + part.x0)
    return np.concatenate(rows), np.concatenate(columns)
