"""Reading the object table of a saved annotation with suspicion, and one sentence on what is wrong."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd

from ...decode_errors import reason_of
from ...errors import DataError
from ...tasks import INSTANCE_TASKS
from ..object_columns import CELLS, COLUMNS, STATES

_MAX_TABLE_BYTES = 1 << 29
_NUMBERS = ("class_probability", "confidence")


def read_cells(path: Path) -> pd.DataFrame:
    """``task``, ``index`` and the cells of the object table that labels cannot give back.

    Raises
    ------
    DataError
        If the file is missing or damaged; names the line where one is wrong.
    """
    names = ["task", "index", *CELLS]
    try:
        if path.stat().st_size > _MAX_TABLE_BYTES:
            raise DataError(f"{path} is too large to be an object table.")
        # As text first: an empty class must not become NaN, nor one that is called "NA".
        read = pd.read_csv(path, usecols=names, dtype=str, keep_default_na=False, encoding="utf-8")
        read["index"] = pd.Series([int(value) for value in read["index"]], dtype="int64")
        for name in _NUMBERS:
            read[name] = [float(value) if value else math.nan for value in read[name]]
    except (OSError, ValueError, OverflowError) as error:
        raise DataError(f"{path} cannot be read as an object table: {reason_of(error)}.") from error
    bad = ~read["state"].isin(STATES) | ~read["task"].isin(INSTANCE_TASKS) | (read["index"] < 1)
    for name in _NUMBERS:
        bad |= ~(read[name].isna() | read[name].between(0, 1))
    bad |= read.duplicated(["task", "index"])
    if bad.any():
        raise DataError(f"{path} is damaged in line {int(np.flatnonzero(bad)[0]) + 2}.")
    return read.astype({name: COLUMNS[name] for name in names})
