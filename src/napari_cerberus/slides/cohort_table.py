"""The table of a cohort: one row a slide, for a spreadsheet or pandas."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import zarr

from ..errors import DataError
from ..files import atomic_path
from ..strict_json import read_object
from ..tasks import GLANDS
from .fields import is_finished
from .slide_folder import LABELS, OBJECTS, RUN

COHORT_TABLE = "cohort.csv"
_COLUMNS = ["task", "class", "area_um2", "centroid_y_px", "centroid_x_px"]


def write_cohort_table(folders: Sequence[Path], target: Path) -> pd.DataFrame:
    """One row a slide: tissue in mm²; of each task and class the count, the density per mm² of tissue, the summed and
    the mean area; and, of what is no gland itself, how many have their centre in a gland, also per gland.

    Raises
    ------
    DataError
        If a result is missing or damaged.
    OutputError
        If the table cannot be written.
    """
    table = pd.DataFrame([_row(folder) for folder in folders])
    with atomic_path(target) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")
    return table


def _row(folder: Path) -> dict[str, Any]:
    if not is_finished(folder):
        raise DataError(f"{folder} holds no finished annotation of a slide; run it to its end first.")
    try:
        about = read_object(folder / RUN)
        tissue = float(about["tissue_mm2"])
        row: dict[str, Any] = {name: about[name] for name in ("slide", "model", "pixel_size_um", "tissue_mm2")}
        counts, areas, inside = _sums(folder)
    except (OSError, KeyError, ValueError, TypeError, pa.ArrowException) as error:
        raise DataError(f"The annotation in {folder} is damaged; run the slide again.") from error
    glands = sum(count for (task, _kind), count in counts.items() if task == GLANDS)
    for task, kind in sorted(counts):
        name, count, area = f"{task} {kind}".strip(), counts[task, kind], areas[task, kind]
        row[f"{name} count"] = count
        row[f"{name} per mm2"] = count / tissue if tissue else float("nan")
        row[f"{name} area um2"] = area
        row[f"{name} mean area um2"] = area / count
        if task != GLANDS and glands:
            row[f"{name} in glands"] = inside[task, kind]
            row[f"{name} per gland"] = inside[task, kind] / glands
    return row


def _sums(folder: Path) -> tuple[dict[tuple[str, str], int], dict[tuple[str, str], float], dict[tuple[str, str], int]]:
    """Count, area and how many lie in glands, of each task and class; block by block, memory does not grow."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    areas: dict[tuple[str, str], float] = defaultdict(float)
    inside: dict[tuple[str, str], int] = defaultdict(int)
    for block in _blocks(folder / OBJECTS):
        held = block.assign(held=_in_glands(folder, block))
        for (task, kind), group in held.groupby(["task", "class"]):
            key = str(task), str(kind)
            counts[key] += len(group)
            areas[key] += float(group["area_um2"].sum())
            inside[key] += int(group["held"].sum())
    return counts, areas, inside


def _blocks(path: Path) -> Iterator[pd.DataFrame]:
    with pq.ParquetFile(path) as table:
        for number in range(table.num_row_groups):
            yield table.read_row_group(number, columns=_COLUMNS).to_pandas()


def _in_glands(folder: Path, block: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which objects of a block have their centre in a gland."""
    path = folder / LABELS / "labels" / GLANDS / "0"
    if not len(block) or not path.is_dir():
        return np.zeros(len(block), bool)
    rows, columns = (block[f"centroid_{axis}_px"].round().to_numpy(np.int64) for axis in "yx")
    part = zarr.open_array(path, mode="r")[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    return np.asarray(np.asarray(part)[rows - rows.min(), columns - columns.min()] > 0)
