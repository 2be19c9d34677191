"""COCO instance annotations: masks as run lengths (exact, with holes) or as polygons (outer outlines only)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..annotation.annotated_image import AnnotatedImage
from ..errors import SettingsError
from ..files import write_text
from ..pairs.label_arrays import Box, object_boxes
from ..pairs.object_rows import Row, check_table, review_cell, rows_by_object, share_cell, text_cell
from ..progress import Job, Progress
from .outlines import shapes_of
from .run_lengths import encode_runs

Form = Literal["rle", "polygons"]
_EVERY = 256


def write_coco(path: Path, images: Sequence[AnnotatedImage], form: Form = "rle") -> Job[int]:
    """Write ``images``, ``categories`` and ``annotations`` as one JSON file, atomically.

    A category is a task, or a class of a task: ``glands``, ``nuclei: lymphocyte``, with the task as supercategory.

    Parameters
    ----------
    path : Path
    images : sequence of AnnotatedImage
    form : {"rle", "polygons"}
        ``rle``: uncompressed run lengths, exact. ``polygons``: outlines along pixel edges; holes are lost.

    Yields
    ------
    Progress

    Returns
    -------
    int
        Number of annotations.

    Raises
    ------
    DataError, OutputError
        If a table does not fit, or the file cannot be written.
    """
    if form not in ("rle", "polygons"):
        raise SettingsError(f"form must be rle or polygons, not {form!r}.")
    annotations: list[dict[str, Any]] = []
    categories: dict[tuple[str, str], int] = {}
    for number, image in enumerate(images, 1):
        check_table(image.objects, image.file_name)
        rows = rows_by_object(image.objects)
        for task, plane in image.labels.items():
            for id_, box in object_boxes(plane):
                if len(annotations) % _EVERY == 0:
                    yield Progress("Writing objects", len(annotations))
                row = rows.get((task, id_), {})
                category = categories.setdefault((task, text_cell(row, "class")), len(categories) + 1)
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": number,
                        "category_id": category,
                        **_shape(plane, id_, box, form),
                        **_attributes(id_, row),
                    }
                )
    content = {
        "info": {"description": "Written by napari-cerberus"},
        "images": [_image(number, image) for number, image in enumerate(images, 1)],
        "categories": [
            {"id": number, "name": f"{task}: {name}" if name else task, "supercategory": task}
            for (task, name), number in categories.items()
        ],
        "annotations": annotations,
    }
    write_text(path, json.dumps(content, ensure_ascii=False))
    return len(annotations)


def _shape(labels: NDArray[np.integer], id_: int, box: Box, form: Form) -> dict[str, Any]:
    rows, columns = box
    mask = labels[box] == id_
    shape: dict[str, Any] = {
        "area": int(mask.sum()),
        "bbox": [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start],
        "iscrowd": 0,
    }
    if form == "rle":
        shape["segmentation"] = {"size": list(labels.shape), "counts": encode_runs(labels, id_, box)}
    else:
        outlines = shapes_of(mask, y0=rows.start, x0=columns.start)
        shape["segmentation"] = [[number for point in one.outer for number in point] for one in outlines]
    return shape


def _attributes(id_: int, row: Row) -> dict[str, Any]:
    known: dict[str, Any] = {"index": id_}
    confidence, review = share_cell(row, "confidence"), review_cell(row)
    if confidence is not None:
        known["score"] = confidence
    if review:
        known["review"] = review
    return known


def _image(number: int, image: AnnotatedImage) -> dict[str, Any]:
    height, width = image.frame.shape
    return {"id": number, "file_name": image.file_name, "height": height, "width": width}
