"""The object table on the pathologist's side: geometry measured from labels, review state, and what a correction does.

Columns and their types stand in ``object_columns``. Tables are never changed in place. The functions here take the
rows of *one* task; ``of_task`` gives them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage

from ..errors import EditError
from .edits.changes import ChangeSet, as_ids
from .label_maps import IntArray, Labels, compact
from .object_columns import CELLS, COLUMNS, DEFAULTS, EDITED, GEOMETRY, STATES, empty_table, utc_now

_FEW_IDS = 20
_NEW_CELLS = {name: DEFAULTS[name] for name in CELLS}


def measure(labels: Labels, pixel_size_um: float, ids: Iterable[int] | None = None) -> pd.DataFrame:
    """``index`` and the geometry columns of the objects in a label map, in order of their ids.

    Parameters
    ----------
    ids : iterable of int or None
        Measure these only (ids that are not there are left out); None: all.
    """
    if ids is None:
        found, renumbered = compact(labels)
        rows, cols = np.nonzero(renumbered)
        slices = ndimage.find_objects(renumbered) if found.size else []
        boxes = np.array([(y.start, x.start, y.stop, x.stop) for y, x in slices], dtype=np.int64)
        return _geometry(found, renumbered[rows, cols], rows, cols, boxes, pixel_size_um)
    chosen = as_ids(list(ids))
    if len(chosen) > _FEW_IDS:
        return measure(np.where(np.isin(labels, chosen), labels, 0), pixel_size_um)
    return _measure_few(labels, chosen, pixel_size_um)


def _measure_few(labels: Labels, ids: Iterable[int], pixel_size_um: float) -> pd.DataFrame:
    pixels = {i: flat for i in ids if (flat := np.flatnonzero(labels == i)).size}
    flat = np.concatenate([np.zeros(0, dtype=np.int64), *pixels.values()])
    rows, cols = np.divmod(flat, max(labels.shape[1], 1))
    sizes = [part.size for part in pixels.values()]
    starts = np.cumsum([0, *sizes])[:-1]
    low, high = np.minimum.reduceat, np.maximum.reduceat
    edges = (low(rows, starts), low(cols, starts), high(rows, starts) + 1, high(cols, starts) + 1) if sizes else ()
    numbers = np.repeat(np.arange(1, len(sizes) + 1), sizes)
    boxes = np.array(edges, dtype=np.int64).T
    return _geometry(np.array(list(pixels), dtype=np.int64), numbers, rows, cols, boxes, pixel_size_um)


def _geometry(
    ids: IntArray, numbers: Labels, rows: IntArray, cols: IntArray, boxes: IntArray, pixel_size_um: float
) -> pd.DataFrame:
    """Geometry of objects from their pixels; ``numbers`` says, pixel by pixel, which id (1 is the first)."""
    areas = np.bincount(numbers, minlength=ids.size + 1)[1:]
    centres = [np.bincount(numbers, axis, ids.size + 1)[1:] / areas for axis in (rows, cols)]
    columns = [areas * pixel_size_um**2, *centres, *boxes.reshape(-1, 4).T]
    frame = pd.DataFrame({"index": ids, **dict(zip(GEOMETRY, columns, strict=True))})
    return frame.astype({"index": "int64", **GEOMETRY})


def new_rows(task: str, geometry: pd.DataFrame, **columns: Any) -> pd.DataFrame:
    """Rows for measured objects; other columns have their defaults unless given (a value, or one a row)."""
    filled = {name: geometry.get(name, columns.get(name, DEFAULTS.get(name))) for name in COLUMNS}
    rows = pd.DataFrame({**filled, "task": task}, index=geometry.index)
    return rows.astype(dict(COLUMNS)).reset_index(drop=True)


def rows_with(task: str, geometry: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """Rows for measured objects whose other cells stand in a table indexed by id; missing ones have defaults."""
    found = cells.reindex(geometry["index"].to_numpy())
    columns = {name: found[name].fillna(DEFAULTS[name]).to_numpy() for name in CELLS}
    return new_rows(task, geometry, **columns)


def edited(by: str, at: str = "") -> dict[str, Any]:
    """The cells of an object that someone has just changed by hand; ``at`` is now by default."""
    return {"state": EDITED, "changed_by": by, "changed_at": at or utc_now()}


def after_change(
    objects: pd.DataFrame,
    change: ChangeSet,
    labels: Labels,
    *,
    task: str,
    pixel_size_um: float,
    stamp: Mapping[str, Any],
    earlier: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The table after a correction.

    Removed objects lose their row; changed ones are measured anew and become ``edited``; new ones get a row that
    inherits the class of their parent and has no confidence. Cells in ``change.features`` are set last.

    Parameters
    ----------
    objects : DataFrame
        Rows of ``task``.
    labels : (H, W) integer array
        After the change.
    stamp : mapping
        From ``edited``: who and when.
    earlier : DataFrame or None
        Rows of objects that were removed before; where one of them comes back, by undo, it has its old row again.
    """
    if not change.changed_px:
        return set_cells(objects, change.features)
    touched = [*change.changed_ids, *change.new_ids]
    known = cells_of(objects, [*change.changed_ids, *change.parents.values()])
    back = {} if earlier is None else cells_of(earlier, change.new_ids)
    cells = {i: {**known.get(i, _NEW_CELLS), **stamp} for i in change.changed_ids}
    for i in change.new_ids:
        parent = known.get(change.parents.get(i, -1), _NEW_CELLS)
        cells[i] = back.get(i) or {**_NEW_CELLS, "class": parent["class"], **stamp}
    geometry = measure(labels, pixel_size_um, touched)
    columns = {name: [cells[i][name] for i in geometry["index"]] for name in CELLS}
    rest = objects[~objects["index"].isin([*touched, *change.removed_ids])]
    parts = [part for part in (rest, new_rows(task, geometry, **columns)) if len(part)]
    result = pd.concat(parts, ignore_index=True) if parts else empty_table()
    return set_cells(result, change.features).sort_values("index", ignore_index=True)


def set_cells(objects: pd.DataFrame, cells: Mapping[int, Mapping[str, Any]]) -> pd.DataFrame:
    """A copy with cells changed, ``{id: {column: value}}``; ids and columns that are not there are left out."""
    if not cells:
        return objects
    result = objects.copy()
    row_of = {int(i): row for row, i in enumerate(result["index"])}
    for column in sorted({name for change in cells.values() for name in change if name in COLUMNS}):
        values = result[column].to_numpy(copy=True)
        for object_id, change in cells.items():
            if column in change and object_id in row_of:
                values[row_of[object_id]] = change[column]
        result[column] = pd.Series(values, index=result.index, dtype=COLUMNS[column])
    return result


def cells_of(objects: pd.DataFrame, ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """All cells but task and geometry of some objects, ``{id: {column: value}}``; ids not there are left out."""
    rows = objects[objects["index"].isin(list(ids))].set_index("index")
    found = rows[list(CELLS)].to_dict(orient="index")
    return {int(i): {str(name): value for name, value in cells.items()} for i, cells in found.items()}  # type: ignore[call-overload]


def _cells_change(objects: pd.DataFrame, ids: Iterable[int], cells: Mapping[str, Any], summary: str) -> ChangeSet:
    """A change set without pixels that sets the same cells of several objects; ``{}`` in the summary names them."""
    chosen = as_ids(list(ids))
    if not chosen:
        raise EditError("Choose an object first.")
    previous = cells_of(objects, chosen)
    if missing := sorted(set(chosen) - set(previous)):
        raise EditError(f"There is no object {missing[0]} in this layer; it may have been deleted or merged.")
    what = f"object {chosen[0]}" if len(chosen) == 1 else f"{len(chosen)} objects"
    return ChangeSet(
        summary=summary.format(what),
        features={i: dict(cells) for i in chosen},
        previous_features={i: {name: row[name] for name in cells} for i, row in previous.items()},
    )


def change_class(
    objects: pd.DataFrame, ids: Iterable[int], class_name: str, *, by: str = "", at: str = ""
) -> ChangeSet:
    """Give objects another class. No pixel changes; the objects become ``edited``.

    The class probability becomes NaN: it was the model's, for its own class.

    Raises
    ------
    EditError
        If there are no ids, one of them does not exist, or the name is empty.
    """
    if not class_name.strip():
        raise EditError("A class needs a name.")
    cells = {
        "class": class_name.strip(),
        "class_probability": np.nan,
        "state": EDITED,
        "changed_by": by,
        "changed_at": at or utc_now(),
    }
    return _cells_change(objects, ids, cells, f"Made {{}} {class_name.strip()}")


def mark(objects: pd.DataFrame, ids: Iterable[int], state: str, *, by: str = "", at: str = "") -> ChangeSet:
    """Set the review state of objects. No pixel changes: a rejected object keeps its pixels and its row.

    Raises
    ------
    EditError
        If there are no ids, one of them does not exist, or the state is not one of ``STATES``.
    """
    if state not in STATES:
        raise EditError(f"{state!r} is not a review state; use one of {', '.join(STATES)}.")
    cells = {"state": state, "changed_by": by, "changed_at": at or utc_now()}
    return _cells_change(objects, ids, cells, f"Marked {{}} as {state}")
