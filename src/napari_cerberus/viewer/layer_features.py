"""The object table of a layer, and what of it stands in the layer's features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..annotation.object_columns import CELLS
from ..annotation.object_table import measure, rows_with

BOX = ("y0_px", "x0_px", "y1_px", "x1_px")


def table_from(features: pd.DataFrame, labels: np.ndarray[Any, Any], task: str, pixel_size_um: float) -> pd.DataFrame:
    """The object table of a layer: geometry from its pixels, the other cells from its features."""
    indexed = "index" in features
    known = features.drop_duplicates("index").set_index("index") if indexed else pd.DataFrame()
    # as objects: columns that are not there would come as numbers, which take no text
    cells = known.reindex(columns=list(CELLS)).astype("object")
    return rows_with(task, measure(labels, pixel_size_um), cells)


def features_of(objects: pd.DataFrame) -> pd.DataFrame:
    """The columns of a task's table that its layer shows; without classes where no object has one."""
    shown = objects.drop(columns=["task", *BOX])
    return shown if (shown["class"] != "").any() else shown.drop(columns=["class", "class_probability"])
