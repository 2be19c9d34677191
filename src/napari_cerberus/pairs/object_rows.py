"""The object table: rows by object, cells that may be missing, and CSV that spreadsheets open."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Any

import pandas as pd

from ..annotation.object_columns import ACCEPTED, EDITED, REJECTED
from ..errors import DataError
from ..files import atomic_path

KEY_COLUMNS = ("task", "index")
MAX_TEXT = 200

ACCEPTED_STATES = frozenset({ACCEPTED, EDITED})
"""Review states of objects that a person stands behind."""

REJECTED_STATES = frozenset({REJECTED})
"""Review states of objects that never enter a mask."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

Row = Mapping[str, Any]


def check_table(objects: pd.DataFrame, source: str) -> None:
    """Refuse a table whose rows cannot be matched to objects. Raises ``DataError``."""
    if objects.empty:
        return
    for name in KEY_COLUMNS:
        if name not in objects:
            raise DataError(f"{source}: the object table has no column {name!r}.")
    index = pd.to_numeric(objects["index"], errors="coerce")
    if not (index.notna() & (index % 1 == 0)).all():
        raise DataError(f"{source}: the object table's column 'index' must hold whole numbers.")


def rows_by_object(objects: pd.DataFrame) -> dict[tuple[str, int], Row]:
    """Row of each (task, index); of rows for the same object the last one counts."""
    rows = [{str(name): value for name, value in row.items()} for row in objects.to_dict("records")]
    return {(str(row["task"]), int(row["index"])): row for row in rows}


def text_cell(row: Row, name: str) -> str:
    """A cell as text; empty where it is missing (tables that were joined hold NaN there)."""
    value = row.get(name)
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def review_cell(row: Row) -> str:
    """An object's review state: column ``review`` of what is exported, ``state`` of the review itself."""
    return text_cell(row, "review") or text_cell(row, "state")


def number_cell(row: Row, name: str) -> float | None:
    """A cell as a finite number, or None."""
    value = row.get(name)
    return float(value) if isinstance(value, Real) and math.isfinite(value) else None


def share_cell(row: Row, name: str) -> float | None:
    """A cell as a share, brought into 0..1, or None."""
    value = number_cell(row, name)
    return None if value is None else min(max(value, 0.0), 1.0)


def write_table(path: Path, objects: pd.DataFrame) -> None:
    """Write an object table as UTF-8 CSV, atomically.

    Texts that a spreadsheet would run as a formula get a leading apostrophe.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    safe = objects.copy()
    for name in safe.columns[[not pd.api.types.is_numeric_dtype(kind) for kind in safe.dtypes]]:
        safe[name] = safe[name].map(_harmless)
    with atomic_path(path) as temporary:
        # The byte order mark is what makes Excel read µ and umlauts right.
        safe.to_csv(temporary, index=False, float_format="%.6g", encoding="utf-8-sig", errors="replace")


def read_table(path: Path) -> pd.DataFrame:
    """Read an object table from CSV.

    Raises
    ------
    DataError
        If the file is missing, damaged, or has no columns ``task`` and ``index``.
    """
    try:
        objects = pd.read_csv(path, encoding="utf-8-sig", keep_default_na=True)
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (UnicodeDecodeError, pd.errors.ParserError, ValueError) as error:
        raise DataError(f"{path} is not a CSV table: {str(error).splitlines()[0]}.") from error
    check_table(objects, str(path))
    return objects


def _harmless(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value
