"""The object table's schema: one row an object, the same columns in inference, correction, files and exports.

==================  =========  =====================================================================================
column              type       meaning
==================  =========  =====================================================================================
task                text       ``nuclei``, ``glands`` or ``lumina``
index               integer    id in that task's labels
class               text       empty where the object has none
class_probability   0..1       NaN where the object has no class, or a person chose it
confidence          0..1       NaN where no model found the object
area_um2            float      with the image's pixel size
centroid_y_px, _x   float      pixel centres at integers
y0_px x0_px ...     integer    bounding box, half-open
state               text       ``unreviewed``, ``accepted``, ``rejected``, ``skipped`` or ``edited``
changed_by          text       who changed it last; empty where nobody did
changed_at          text       when: UTC, ISO 8601
==================  =========  =====================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from ..decode_errors import reason_of
from ..errors import DataError

UNREVIEWED, ACCEPTED, REJECTED, SKIPPED, EDITED = "unreviewed", "accepted", "rejected", "skipped", "edited"
STATES = (UNREVIEWED, ACCEPTED, REJECTED, SKIPPED, EDITED)
DECIDED = (ACCEPTED, REJECTED, EDITED)
"""States that count as reviewed; a re-run keeps these objects as they are."""

GEOMETRY: Mapping[str, str] = {
    "area_um2": "float64",
    "centroid_y_px": "float64",
    "centroid_x_px": "float64",
    "y0_px": "int64",
    "x0_px": "int64",
    "y1_px": "int64",
    "x1_px": "int64",
}
"""What labels alone tell: area, centre (pixel centres at integers) and half-open bounding box on the image grid."""

MODEL_COLUMNS: Mapping[str, str] = {
    "task": "object",
    "index": "int64",
    "class": "object",
    "class_probability": "float64",
    "confidence": "float64",
    **GEOMETRY,
}
"""What a model gives."""

REVIEW_COLUMNS: Mapping[str, str] = {"state": "object", "changed_by": "object", "changed_at": "object"}
"""What a person adds: one of ``STATES``, a name, and a time (UTC, ISO 8601)."""

COLUMNS: Mapping[str, str] = {**MODEL_COLUMNS, **REVIEW_COLUMNS}
"""All columns of the object table in their order, with their NumPy types."""

CELLS = tuple(name for name in COLUMNS if name not in GEOMETRY and name not in ("task", "index"))
"""Columns that labels alone cannot give back."""

DEFAULTS: Mapping[str, Any] = {
    "class": "",
    "class_probability": np.nan,
    "confidence": np.nan,
    "state": UNREVIEWED,
    "changed_by": "",
    "changed_at": "",
}
"""What a new object has in the columns that no pixel tells."""


def utc_now() -> str:
    """The time as the table and the journal write it: ISO 8601, UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def empty_table(columns: Mapping[str, str] = COLUMNS) -> pd.DataFrame:
    """A table without rows; of a model alone with ``MODEL_COLUMNS``."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.items()})


def with_review(objects: pd.DataFrame) -> pd.DataFrame:
    """A copy in the canonical columns; review columns that are missing are added, other columns are dropped.

    Raises
    ------
    DataError
        If a model column is missing or has values of the wrong type.
    """
    missing = [name for name in MODEL_COLUMNS if name not in objects]
    if missing:
        raise DataError(f"The object table has no column {missing[0]!r}; annotate the image again.")
    filled = {name: objects.get(name, DEFAULTS.get(name)) for name in COLUMNS}
    try:
        return pd.DataFrame(filled, index=objects.index).astype(dict(COLUMNS)).reset_index(drop=True)
    except (TypeError, ValueError) as error:
        raise DataError(f"The object table holds values of the wrong type: {reason_of(error)}.") from error


def of_task(objects: pd.DataFrame, task: str) -> pd.DataFrame:
    """The rows of one task."""
    return objects[objects["task"] == task].reset_index(drop=True)
