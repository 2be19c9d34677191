"""What a saved annotation says about itself, read without its pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import tifffile

from ..annotation.frame import Frame
from ..annotation.store import ABOUT_FILE, FORMAT, FORMAT_VERSION, OBJECTS_FILE
from ..annotation.stored_parts import mapping, number, read_json, text
from ..decode_errors import DECODE_ERRORS, reason_of
from ..errors import DataError
from ..inference.result_folder import SUMMARY_FILE
from ..pairs.object_rows import read_table
from ..strict_json import read_object
from ..tasks import INSTANCE_TASKS
from .review_counts import ReviewCount, count_reviewed

_MAX_SUMMARY_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Header:
    """What is known of an annotation.

    Attributes
    ----------
    corrected : bool
        Saved from the dock; False for a result of ``annotate``.
    image_name, image_path : str
        As the image was called and where it lay, for people and for finding it; may be empty.
    coarser : bool
        A coarser level of a large image was annotated.
    tasks : tuple of str
    size_px : (height, width)
        Of the labels.
    pixel_size_um : float
    tissue : mapping of class to probability
    reviewed : mapping of task to ReviewCount
    """

    corrected: bool
    image_name: str
    image_path: str
    coarser: bool = False
    tasks: tuple[str, ...]
    size_px: tuple[int, int]
    pixel_size_um: float
    tissue: Mapping[str, float] = field(default_factory=dict)
    reviewed: Mapping[str, ReviewCount] = field(default_factory=dict)


def read_corrected_header(folder: Path) -> Header:
    """Of a folder that the dock saved. Raises ``DataError`` if its description is damaged."""
    where = folder / ABOUT_FILE
    data = read_json(where, FORMAT, FORMAT_VERSION)
    frame = Frame.from_json(data.get("frame"), str(where))
    record, tasks = _record(data), _tasks(data, where)
    return Header(
        corrected=True,
        image_name=frame.image_name,
        image_path=text(data, "image_path", where),
        coarser=record.get("factors", [1.0, 1.0]) != [1.0, 1.0],
        tasks=tasks,
        size_px=frame.shape,
        pixel_size_um=number(data, "pixel_size_um", where),
        tissue={name: number(mapping(data, "tissue", where), name, where) for name in mapping(data, "tissue", where)},
        reviewed=_reviewed(folder / OBJECTS_FILE, tasks),
    )


def read_result_header(folder: Path) -> Header:
    """Of a folder that ``annotate`` wrote. Raises ``DataError`` if a file is damaged."""
    where = folder / SUMMARY_FILE
    data = read_object(where, max_bytes=_MAX_SUMMARY_BYTES)
    tasks = tuple(task for task in INSTANCE_TASKS if (folder / f"{task}.tif").is_file())
    return Header(
        corrected=False,
        image_name=_words(data, "image") or folder.name,
        image_path=_words(data, "image_path"),
        tasks=tasks,
        size_px=_size(folder / f"{tasks[0]}.tif"),
        pixel_size_um=number(data, "pixel_size_um", where),
        tissue=_shares(data.get("tissue")),
        reviewed=_reviewed(folder / OBJECTS_FILE, tasks),
    )


def _reviewed(path: Path, tasks: tuple[str, ...]) -> dict[str, ReviewCount]:
    """Of the table beside the labels; nothing reviewed where there is none."""
    return count_reviewed(read_table(path) if path.is_file() else pd.DataFrame(), tasks)


def _record(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the dock noted of the first layer; empty for annotations that were not saved from there."""
    more = data.get("more")
    layers = more.get("layers") if isinstance(more, dict) else None
    first = next(iter(layers.values()), None) if isinstance(layers, dict) else None
    return first if isinstance(first, dict) else {}


def _tasks(data: Mapping[str, Any], where: Path) -> tuple[str, ...]:
    tasks = data.get("tasks")
    if not isinstance(tasks, list) or not tasks or not all(task in INSTANCE_TASKS for task in tasks):
        raise DataError(f"{where} is damaged: 'tasks' must be a list of {', '.join(INSTANCE_TASKS)}.")
    return tuple(tasks)


def _size(path: Path) -> tuple[int, int]:
    try:
        with tifffile.TiffFile(path) as file:
            height, width = file.pages[0].shape[:2]
    except (*DECODE_ERRORS, tifffile.TiffFileError) as error:
        raise DataError(f"{path} is not a readable TIFF: {reason_of(error)}.") from error
    return int(height), int(width)


def _shares(values: Any) -> dict[str, float]:
    """Class to probability; what is no number is left out, because the summary may be of another program."""
    pairs = values.items() if isinstance(values, dict) else ()
    return {name: float(share) for name, share in pairs if type(share) in (int, float) and 0 <= share <= 1}


def _words(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""
