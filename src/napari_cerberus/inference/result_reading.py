"""Reads back what ``results.write_annotation`` wrote: label images, the object table, and the summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
from ..whole_folders import settle
from .result_folder import OBJECTS_FILE, SUMMARY_FILE

_MAX_SUMMARY_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class SavedAnnotation:
    """An annotation from disk.

    Attributes
    ----------
    labels : mapping of task key to (H, W) integer array
    objects : pandas.DataFrame
        At least the columns ``task`` and ``index``.
    pixel_size_um : float
    tissue : mapping of class to probability
    model_name, model_sha256 : str
        Empty where the summary does not say.
    image_sha256 : str
        ``pairs.layout.tile_pixels.pixels_sha256`` of the annotated image; empty where the summary does not say.
    """

    labels: Mapping[str, NDArray[np.integer]]
    objects: pd.DataFrame
    pixel_size_um: float
    tissue: Mapping[str, float]
    model_name: str
    model_sha256: str
    image_sha256: str


def is_annotation(folder: Path) -> bool:
    """Whether a folder holds a summary and at least one label image."""
    settle(folder)
    return (folder / SUMMARY_FILE).is_file() and any((folder / f"{task}.tif").is_file() for task in INSTANCE_TASKS)


def read_annotation(folder: Path) -> SavedAnnotation:
    """Read a folder.

    Raises
    ------
    DataError
        If a file is missing or damaged, or the label images differ in size.
    """
    settle(folder)
    summary = _summary(folder / SUMMARY_FILE)
    files = {task: folder / f"{task}.tif" for task in INSTANCE_TASKS}
    found = {task: file for task, file in files.items() if file.is_file()}
    if len({_shape(file) for file in found.values()}) != 1:  # before anything is unpacked
        raise DataError(f"The label images in {folder} differ in size or are missing; they are not of one annotation.")
    labels = {task: _read_labels(file) for task, file in found.items()}
    model = summary.get("model")
    model = model if isinstance(model, Mapping) else {}
    return SavedAnnotation(
        labels=labels,
        objects=_read_objects(folder / OBJECTS_FILE),
        pixel_size_um=_pixel_size(summary, folder / SUMMARY_FILE),
        tissue=_shares(summary.get("tissue")),
        model_name=_text(model.get("name")),
        model_sha256=_text(model.get("sha256")),
        image_sha256=_text(summary.get("image_sha256")),
    )


def _summary(path: Path) -> Mapping[str, Any]:
    return read_object(path, max_bytes=_MAX_SUMMARY_BYTES)


def _pixel_size(summary: Mapping[str, Any], path: Path) -> float:
    size = _number(summary.get("pixel_size_um"))
    if size is None or size <= 0:
        raise DataError(f"{path} is damaged: field 'pixel_size_um' is not a positive number.")
    return size


def _shape(path: Path) -> tuple[int, ...]:
    """As the file's header says. Raises ``DataError``."""
    try:
        with tifffile.TiffFile(path) as file:
            return tuple(file.series[0].shape)
    except (*DECODE_ERRORS, tifffile.TiffFileError) as error:
        raise DataError(f"{path} is not a readable TIFF: {reason_of(error)}.") from error


def _read_labels(path: Path) -> NDArray[np.integer]:
    try:
        with tifffile.TiffFile(path) as file:
            series = file.series[0]
            if reason := hollow(path, int(np.prod(series.shape, dtype=np.int64)) * np.dtype(series.dtype).itemsize):
                raise DataError(f"{path} is not read: {reason}.")
            labels = series.asarray()
    except (*DECODE_ERRORS, tifffile.TiffFileError) as error:
        raise DataError(f"{path} is not a readable TIFF: {reason_of(error)}.") from error
    if labels.ndim != 2 or labels.dtype.kind not in "ui" or labels.max(initial=0) > np.iinfo(np.int32).max:
        raise DataError(f"{path} holds no instance labels: a two-dimensional image of whole numbers is needed.")
    return np.asarray(labels)


def _read_objects(path: Path) -> pd.DataFrame:
    """The object table; a folder without one has objects without properties."""
    if not path.is_file():
        return pd.DataFrame({"task": pd.Series(dtype=str), "index": pd.Series(dtype=int)})
    try:
        table = pd.read_csv(path, keep_default_na=True)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not a readable table: {error}.") from error
    if not {"task", "index"} <= set(table.columns):
        raise DataError(f"{path} is damaged: column 'task' or 'index' is missing.")
    numbers = pd.to_numeric(table["index"], errors="coerce")
    if not numbers.between(1, np.iinfo(np.int32).max).all() or (numbers % 1 != 0).any():
        raise DataError(f"{path} is damaged: column 'index' must hold object ids, whole numbers from 1.")
    table["index"] = numbers.astype(np.int64)
    if "class" in table:
        table["class"] = table["class"].fillna("").astype(str)
    return table


def _shares(values: Any) -> dict[str, float]:
    """Class to probability; empty where it is anything else."""
    pairs = values.items() if isinstance(values, Mapping) else ()
    shares = {str(name): _number(value) for name, value in pairs}
    return {name: share for name, share in shares.items() if share is not None}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
        return None
    return float(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
