"""COCO instance annotations read back: run lengths, also compressed ones, and polygons."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from ..decode_errors import reason_of
from ..errors import DataError
from ..pairs.layout.sidecar import Name, Text
from ..progress import Job, Progress
from ..schemas import Count, Schema, Share, read
from ..strict_json import MAX_BYTES
from .imported_objects import ImportedObjects
from .polygons import paint_polygon
from .run_lengths import decode_runs, decompress_runs

_EVERY = 256
_MAX_PIXELS = 400_000_000
_MAX_COORDINATE = 1e9


class _Foreign(Schema):
    """A part of a file that other programs write, with fields that are theirs."""

    model_config = ConfigDict(extra="ignore")


class _Image(_Foreign):
    id: Count
    file_name: Name
    height: Annotated[int, Field(ge=1, le=_MAX_PIXELS)]
    width: Annotated[int, Field(ge=1, le=_MAX_PIXELS)]


class _Category(_Foreign):
    id: Count
    name: Name
    supercategory: Text | None = None

    @property
    def task_and_class(self) -> tuple[str, str]:
        task = self.supercategory or self.name
        return task, self.name.removeprefix(task).removeprefix(": ") if self.name != task else ""


class _Annotation(_Foreign):
    image_id: Count
    category_id: Count
    segmentation: Any
    score: Share | None = None
    review: Name | None = None

    @property
    def known(self) -> dict[str, Any]:
        """Columns of the object table that the file says."""
        known = {"confidence": self.score, "state": self.review}
        return {name: value for name, value in known.items() if value is not None}


class _Coco(_Foreign):
    images: tuple[_Image, ...]
    categories: tuple[_Category, ...]
    annotations: tuple[_Annotation, ...]


def read_coco(path: Path) -> Job[list[ImportedObjects]]:
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
    file = read(_Coco, path, max_bytes=MAX_BYTES)
    categories = {one.id: one for one in file.categories}
    contents = {one.id: _Reading(one, f"{path}: images[{number}]") for number, one in enumerate(file.images)}
    for done, annotation in enumerate(file.annotations):
        if done % _EVERY == 0:
            yield Progress("Reading objects", done, len(file.annotations))
        where = f"{path}: annotations[{done}]"
        if annotation.image_id not in contents or annotation.category_id not in categories:
            raise DataError(f"{where} belongs to an image or a category that the file does not list.")
        contents[annotation.image_id].add(annotation, categories[annotation.category_id], where)
    return [one.content() for one in contents.values()]


class _Reading:
    """Collects the objects of one image."""

    def __init__(self, image: _Image, where: str) -> None:
        self._file_name, self._shape = image.file_name, (image.height, image.width)
        if image.height * image.width > _MAX_PIXELS:
            raise DataError(f"{where} has more than {_MAX_PIXELS} pixels.")
        self._labels: dict[str, NDArray[np.int32]] = {}
        self._rows: list[dict[str, Any]] = []
        self._counts: Counter[str] = Counter()
        self._empty = 0

    def add(self, annotation: _Annotation, category: _Category, where: str) -> None:
        task, class_name = category.task_and_class
        rows, columns = _pixels(annotation.segmentation, self._shape, where)
        if not len(rows):
            self._empty += 1
            return
        self._counts[task] += 1
        plane = self._labels.setdefault(task, np.zeros(self._shape, np.int32))
        plane[rows, columns] = self._counts[task]
        self._rows.append({"task": task, "index": self._counts[task], "class": class_name, **annotation.known})

    def content(self) -> ImportedObjects:
        notes = (f"{self._empty} object(s) are empty and were left out.",) if self._empty else ()
        return ImportedObjects(
            file_name=self._file_name, labels=self._labels, objects=pd.DataFrame(self._rows), notes=notes
        )


def _pixels(segmentation: Any, shape: tuple[int, int], where: str) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Rows and columns of an object's pixels."""
    try:
        if isinstance(segmentation, dict):
            if list(segmentation["size"]) != list(shape):
                raise ValueError("its size is not that of the image")
            counts = segmentation["counts"]
            return decode_runs(decompress_runs(counts) if isinstance(counts, str) else counts, shape)
        return _inside(segmentation, shape)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        raise DataError(f"{where}: its segmentation is damaged ({reason_of(error)}).") from error


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
