"""Opens a folder that the command line wrote (``summary.json``, label images, ``objects.csv``) as layers.

Where the image it belongs to is open already (an RGB image of the same size; the folder has its name, if there are
several), the labels take its place in the world. Otherwise they stand alone, at their own pixel size.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile
from napari import current_viewer
from napari.layers import Image

from ..errors import DataError
from ..tasks import INSTANCE_TASKS
from .grid import placement
from .layers import labels_layer
from .session import Display

SUMMARY, OBJECTS = "summary.json", "objects.csv"
_MAX_SUMMARY_BYTES = 1 << 20
LayerData = tuple[Any, dict[str, Any], str]


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """``read_folder`` for one of our folders or its ``summary.json``; None for anything else."""
    if isinstance(path, list):
        return None
    folder = _folder_of(path)
    found = (folder / SUMMARY).is_file() and any(
        (folder / f"{task}.tif").is_file() for task in INSTANCE_TASKS
    )
    return read_folder if found else None


def read_folder(path: str | list[str]) -> list[LayerData]:
    """Label layers of an annotation folder.

    Raises
    ------
    DataError
        If a file is damaged, or the label images differ in size.
    """
    folder = _folder_of(path if isinstance(path, str) else path[0])
    pixel_size_um = _pixel_size(folder / SUMMARY)
    table = _read_objects(folder / OBJECTS)
    labels = {
        task: _read_labels(file) for task in INSTANCE_TASKS if (file := folder / f"{task}.tif").is_file()
    }
    shapes = {array.shape for array in labels.values()}
    if len(shapes) != 1:
        raise DataError(f"The label images in {folder} differ in size; they are not of one annotation.")
    name, place = _place(folder.name, shapes.pop(), pixel_size_um)
    layers = [
        labels_layer(task, array, table[table["task"] == task], Display(), name=f"{name} {task}", **place)
        for task, array in labels.items()
    ]
    return [layer.as_layer_data_tuple() for layer in layers]


def _folder_of(path: str) -> Path:
    given = Path(path)
    return given.parent if given.name == SUMMARY else given


def _pixel_size(path: Path) -> float:
    try:
        if path.stat().st_size > _MAX_SUMMARY_BYTES:
            raise DataError(f"{path} is too large to be a summary.")
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    size = data.get("pixel_size_um") if isinstance(data, Mapping) else None
    if isinstance(size, bool) or not isinstance(size, (int, float)) or not 0 < size < float("inf"):
        raise DataError(f"{path} is damaged: field 'pixel_size_um' is not a positive number.")
    return float(size)


def _read_labels(path: Path) -> np.ndarray[Any, Any]:
    try:
        labels = tifffile.imread(path)
    except (OSError, ValueError, tifffile.TiffFileError) as error:
        raise DataError(f"{path} is not a readable TIFF: {error}.") from error
    if labels.ndim != 2 or labels.dtype.kind not in "ui" or labels.max(initial=0) > np.iinfo(np.int32).max:
        raise DataError(
            f"{path} holds no instance labels: a two-dimensional image of whole numbers is needed."
        )
    return np.asarray(labels)


def _read_objects(path: Path) -> pd.DataFrame:
    """The object table; a folder without one has layers without features."""
    if not path.is_file():
        return pd.DataFrame({"task": pd.Series(dtype=str), "index": pd.Series(dtype=int)})
    try:
        table = pd.read_csv(path, keep_default_na=True)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not a readable table: {error}.") from error
    if not {"task", "index"} <= set(table.columns):
        raise DataError(f"{path} is damaged: column 'task' or 'index' is missing.")
    if "class" in table:
        table["class"] = table["class"].fillna("").astype(str)
    return table


def _place(stem: str, shape: tuple[int, ...], pixel_size_um: float) -> tuple[str, dict[str, Any]]:
    """Name and placement: those of the open image it belongs to, or the folder's name and its own pixel size."""
    viewer = current_viewer()
    fitting = [layer for layer in (viewer.layers if viewer is not None else ()) if _fits(layer, shape)]
    named = [layer for layer in fitting if layer.name == stem]
    if named or len(fitting) == 1:
        image = (named or fitting)[0]
        return str(image.name), placement(image, (0, 0))
    scale, units = (pixel_size_um, pixel_size_um), ("micrometer", "micrometer")
    return stem, {"scale": scale, "units": units}


def _fits(layer: Any, shape: tuple[int, ...]) -> bool:
    if not isinstance(layer, Image) or not layer.rgb or layer.multiscale:
        return False
    return tuple(layer.data.shape[:2]) == shape
