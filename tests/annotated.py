"""Annotated images for tests, from label maps and whatever cells a test cares about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from napari_cerberus.annotation.annotated_image import AnnotatedImage, ModelRun
from napari_cerberus.annotation.frame import Frame
from napari_cerberus.annotation.object_columns import CELLS, empty_table
from napari_cerberus.annotation.object_table import measure, rows_with
from napari_cerberus.pixel_size import PixelSize

STARTER_RUN = ModelRun(model_name="starter", model_sha256="ab" * 32)


def object_rows(labels: Mapping[str, np.ndarray[Any, Any]], pixel_size_um: float, cells: pd.DataFrame) -> pd.DataFrame:
    """A whole object table: geometry from the labels, the rest from ``cells`` where it has them."""
    tables = []
    for task, plane in labels.items():
        known = cells[cells["task"] == task] if len(cells) else pd.DataFrame({"index": []})
        own = known.drop_duplicates("index", keep="last").set_index("index").rename(columns={"review": "state"})
        own = own.reindex(columns=list(CELLS)).astype("object")
        tables.append(rows_with(task, measure(plane, pixel_size_um), own))
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else empty_table()


def annotated_image(
    labels: Mapping[str, np.ndarray[Any, Any]],
    cells: pd.DataFrame | None = None,
    *,
    pixel_size_um: float = 0.5,
    name: str = "tile",
    image: np.ndarray[Any, Any] | None = None,
    kind: type[AnnotatedImage] = AnnotatedImage,
    **fields: Any,
) -> Any:
    """An annotated image, of ``image`` or of one that nobody knows."""
    shape = next((plane.shape for plane in labels.values()), (1, 1))
    known: dict[str, Any] = {
        "frame": Frame.unknown(name, shape) if image is None else Frame.of_image(image, name),
        "pixel_size": PixelSize.square(pixel_size_um),
        "labels": labels,
        "objects": object_rows(labels, pixel_size_um, pd.DataFrame() if cells is None else cells),
    }
    return kind(**(known | fields))
