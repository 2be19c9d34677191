"""Reading the parts of a saved annotation with suspicion: sizes before contents, and one sentence on what is wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile
from numpy.typing import NDArray

from ..decode_errors import DECODE_ERRORS, hollow, reason_of
from ..errors import DataError
from ..strict_json import read_object
from ..tasks import INSTANCE_TASKS
from .object_table import CELLS, COLUMNS, STATES

_MAX_JSON_BYTES = 16 << 20
_MAX_TABLE_BYTES = 1 << 29
_NUMBERS = ("class_probability", "confidence")


def read_labels(path: Path, shape: tuple[int, int]) -> NDArray[np.int32]:
    """Labels of the size that was announced; an image of another size is refused before it is unpacked.

    Raises
    ------
    DataError
        If the file is missing, damaged, of another size, or holds no ids.
    """
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            dtype = np.dtype(page.dtype)
            if page.shape != shape or dtype.kind not in "iu" or dtype.itemsize > 4:
                raise DataError(f"{path} does not hold labels of {shape[0]} × {shape[1]} px.")
            if reason := hollow(path, shape[0] * shape[1] * dtype.itemsize):
                raise DataError(f"{path} is not read: {reason}.")
            labels = np.asarray(page.asarray())
    except (*DECODE_ERRORS, tifffile.TiffFileError) as error:
        raise DataError(f"{path} cannot be read as a label image: {reason_of(error)}.") from error
    if int(labels.min()) < 0 or int(labels.max()) > np.iinfo(np.int32).max:
        raise DataError(f"{path} holds numbers that cannot be object ids.")
    return labels.astype(np.int32)


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
        raise DataError(f"{path} cannot be read as an object table: {error}.") from error
    bad = ~read["state"].isin(STATES) | ~read["task"].isin(INSTANCE_TASKS) | (read["index"] < 1)
    for name in _NUMBERS:
        bad |= ~(read[name].isna() | read[name].between(0, 1))
    bad |= read.duplicated(["task", "index"])
    if bad.any():
        raise DataError(f"{path} is damaged in line {int(np.flatnonzero(bad)[0]) + 2}.")
    return read.astype({name: COLUMNS[name] for name in names})


def read_json(path: Path, form: str, form_version: int) -> dict[str, Any]:
    """A JSON file that names its format and version.

    Raises
    ------
    DataError
        If it is missing, too large, damaged, or of another format or version.
    """
    data = read_object(path, max_bytes=_MAX_JSON_BYTES)
    if data.get("format") != form:
        raise DataError(f"{path} is not a {form}.")
    if data.get("format_version") != form_version:
        raise DataError(f"{path} was written by another version of napari-cerberus; update it.")
    return data


def number(data: Mapping[str, Any], name: str, where: Path) -> float:
    """A finite number. Raises ``DataError``."""
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise DataError(f"{where} is damaged: {name!r} must be a number.")
    return float(value)


def text(data: Mapping[str, Any], name: str, where: Path) -> str:
    """A text. Raises ``DataError``."""
    value = data.get(name)
    if not isinstance(value, str):
        raise DataError(f"{where} is damaged: {name!r} must be text.")
    return value


def mapping(data: Mapping[str, Any], name: str, where: Path) -> dict[str, Any]:
    """A JSON object. Raises ``DataError``."""
    value = data.get(name)
    if not isinstance(value, dict):
        raise DataError(f"{where} is damaged: {name!r} must hold named fields.")
    return value
