"""A whole annotation as one folder: label maps, object table, review state, provenance, journal. Strict on load.

::

    <name>.cerberus/
      annotation.json          what it is: image and region, pixel size, models, tissue readout, who and when
      nuclei.tif ...           instance labels, uint32, zlib
      model_nuclei.tif ...     the model's last result, so that a later re-run knows what was changed by hand
      objects.csv              all tasks, the columns of ``table.COLUMNS``
      journal.jsonl            the history (may be missing)
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile

from .. import __version__
from ..errors import DataError, OutputError
from ..tasks import INSTANCE_TASKS
from ..whole_folders import atomic_folder, settle
from .finished_areas import FinishedArea, areas_from_json
from .frame import Frame
from .journal import Journal, read_journal_of
from .label_maps import Labels, present_ids
from .object_table import measure, rows_with, utc_now, with_review
from .stored_parts import mapping, number, read_cells, read_json, read_labels, text

SUFFIX = ".cerberus"
ABOUT_FILE, OBJECTS_FILE, JOURNAL_FILE = "annotation.json", "objects.csv", "journal.jsonl"
FORMAT, FORMAT_VERSION = "napari-cerberus annotation", 1
OURS = (
    ABOUT_FILE,
    OBJECTS_FILE,
    JOURNAL_FILE,
    *(f"{part}{task}.tif" for task in INSTANCE_TASKS for part in ("", "model_")),
)
"""What we write into such a folder; whatever else lies there stays."""

_SMALLEST_UM, _LARGEST_UM = 1e-6, 1e6
_PX_PER_CM = 10_000.0


@dataclass(frozen=True, kw_only=True)
class ModelUsed:
    """Which model made a layer."""

    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True, eq=False)
class SavedAnnotation:
    """Everything that belongs to an annotation.

    Attributes
    ----------
    frame : Frame
        Image and region.
    pixel_size_um : float
        Of the label maps.
    labels, model_labels : mapping of task to (h, w) int32 array
        As corrected, and as the model made them.
    objects : DataFrame
        All tasks, ``table.COLUMNS``.
    tissue : mapping of class to probability
    models : mapping of task to ModelUsed
        Empty for what was drawn by hand from the start.
    finished : tuple of FinishedArea
        What a person called right, in pixels of the label maps.
    image_path : str
        Where the image was; only a hint.
    saved_at, saved_by : str
        Set by saving.
    more : mapping
        Further fields for the viewer; plain JSON types.
    """

    frame: Frame
    pixel_size_um: float
    labels: Mapping[str, Labels]
    model_labels: Mapping[str, Labels]
    objects: pd.DataFrame
    tissue: Mapping[str, float] = field(default_factory=dict)
    models: Mapping[str, ModelUsed] = field(default_factory=dict)
    finished: tuple[FinishedArea, ...] = ()
    image_path: str = ""
    saved_at: str = ""
    saved_by: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)


def save_annotation(
    folder: Path, annotation: SavedAnnotation, *, by: str = "", journal: Journal | Path | None = None
) -> None:
    """Write an annotation, whole or not at all; an older one of that name is replaced.

    Files that are not ours stay in it, and so does its journal where none is given.

    Parameters
    ----------
    by : str
        Who saves it.
    journal : Journal, Path or None
        The history: of an open journal everything, of a file what is whole in it and belongs to the same image and
        region.

    Raises
    ------
    DataError
        If the parts do not fit together.
    OutputError
        If the folder cannot be written, or something else has that name.
    """
    _check_target(folder)
    _check_fit(annotation, str(folder))
    about = _about(annotation, by)
    with atomic_folder(folder, ours=OURS) as temporary:
        for task, labels in annotation.labels.items():
            _write_labels(temporary / f"{task}.tif", labels, annotation.pixel_size_um)
            _write_labels(temporary / f"model_{task}.tif", annotation.model_labels[task], annotation.pixel_size_um)
        with_review(annotation.objects).to_csv(
            temporary / OBJECTS_FILE, index=False, lineterminator="\n", errors="backslashreplace"
        )
        (temporary / ABOUT_FILE).write_bytes(about)
        if isinstance(journal, Journal):
            journal.copy_to(temporary / JOURNAL_FILE)
        elif journal is not None and (replay := read_journal_of(journal, annotation.frame)) is not None:
            (temporary / JOURNAL_FILE).write_bytes(journal.read_bytes()[: replay.good_bytes])
        else:
            _keep_journal(folder, temporary, annotation.frame)


def load_annotation(folder: Path) -> SavedAnnotation:
    """Read an annotation and check every part of it; geometry is measured from the labels.

    Raises
    ------
    DataError
        Names the file, what is wrong with it, and the object where it is about one.
    """
    settle(folder)
    where = folder / ABOUT_FILE
    data = read_json(where, FORMAT, FORMAT_VERSION)
    frame = Frame.from_json(data.get("frame"), str(where))
    pixel_size_um = number(data, "pixel_size_um", where)
    if not _SMALLEST_UM <= pixel_size_um <= _LARGEST_UM:
        raise DataError(f"{where} is damaged: 'pixel_size_um' must be a size in µm above 0, not {pixel_size_um}.")
    tasks = _tasks(data, where)
    labels = {task: read_labels(folder / f"{task}.tif", frame.shape) for task in tasks}
    return SavedAnnotation(
        frame=frame,
        pixel_size_um=pixel_size_um,
        labels=labels,
        model_labels={task: read_labels(folder / f"model_{task}.tif", frame.shape) for task in tasks},
        objects=_read_objects(folder / OBJECTS_FILE, labels, pixel_size_um),
        tissue=_tissue(mapping(data, "tissue", where), where),
        models=_models(mapping(data, "models", where), where),
        finished=areas_from_json(data.get("finished", []), str(where)),
        more=mapping(data, "more", where),
        **{name: text(data, name, where) for name in ("image_path", "saved_at", "saved_by")},
    )


def _tissue(shares: Mapping[str, Any], where: Path) -> dict[str, float]:
    found = {name: number(shares, name, where) for name in shares}
    if wrong := [name for name, share in found.items() if not 0 <= share <= 1]:
        raise DataError(f"{where} is damaged: the share of {wrong[0]!r} in 'tissue' must lie in 0..1.")
    return found


def is_annotation(folder: Path) -> bool:
    """Whether a folder describes itself as a saved annotation of a version that this program reads."""
    settle(folder)
    try:
        read_json(folder / ABOUT_FILE, FORMAT, FORMAT_VERSION)
    except DataError:
        return False
    return True


def _keep_journal(old: Path, new: Path, frame: Frame) -> None:
    """The history that lies there already; under another name where it is that of another image or region."""
    journal = old / JOURNAL_FILE
    if journal.is_file():
        numbers = (f"journal.{number}.jsonl" for number in count(1))
        free = next(name for name in numbers if not (old / name).exists())
        name = JOURNAL_FILE if read_journal_of(journal, frame) is not None else free
        shutil.copyfile(journal, new / name)


def _check_target(folder: Path) -> None:
    if folder.exists() and not (folder.is_dir() and (is_annotation(folder) or not any(folder.iterdir()))):
        raise OutputError(f"{folder} exists and is not a saved annotation; choose another name.")


def _check_fit(annotation: SavedAnnotation, where: str) -> None:
    if not annotation.labels:
        raise DataError(f"{where}: there is nothing to save; annotate the image or draw an object first.")
    for task, labels in annotation.labels.items():
        model_labels = annotation.model_labels.get(task)
        if task not in INSTANCE_TASKS or model_labels is None:
            raise DataError(f"{where}: {task!r} is not a task, or has no model result.")
        if not labels.shape == model_labels.shape == annotation.frame.shape:
            raise DataError(f"{where}: the {task} labels do not have the size of the region.")
        ids = set(annotation.objects.loc[annotation.objects["task"] == task, "index"])
        _check_same_ids(task, ids, set(present_ids(labels)), where)


def _about(annotation: SavedAnnotation, by: str) -> bytes:
    data = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "program": f"napari-cerberus {__version__}",
        "saved_at": utc_now(),
        "saved_by": by,
        "frame": annotation.frame.to_json(),
        "image_path": annotation.image_path,
        "pixel_size_um": annotation.pixel_size_um,
        "tasks": list(annotation.labels),
        "tissue": {name: float(value) for name, value in annotation.tissue.items()},
        "models": {task: {"name": m.name, "sha256": m.sha256} for task, m in annotation.models.items()},
        "finished": [area.to_json() for area in annotation.finished],
        "more": dict(annotation.more),
    }
    try:
        return (json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    except (ValueError, TypeError) as error:
        raise DataError(f"The annotation holds a field that cannot be saved: {error}.") from error


def _write_labels(path: Path, labels: Labels, pixel_size_um: float) -> None:
    if labels.size and not 0 <= int(labels.min()) <= int(labels.max()) <= np.iinfo(np.int32).max:
        raise DataError(f"{path.stem}: ids must lie in 0..{np.iinfo(np.int32).max}.")
    tifffile.imwrite(
        path,
        labels.astype(np.uint32),
        compression="zlib",
        photometric="minisblack",
        resolution=(_PX_PER_CM / pixel_size_um,) * 2,
        resolutionunit="CENTIMETER",
        metadata={"axes": "YX"},
    )


def _read_objects(path: Path, labels: Mapping[str, Labels], pixel_size_um: float) -> pd.DataFrame:
    """The table with geometry measured from the labels; what stands in the file is for people."""
    cells = read_cells(path)
    parts = []
    for task, map_ in labels.items():
        rows = cells[cells["task"] == task].set_index("index")
        geometry = measure(map_, pixel_size_um)
        _check_same_ids(task, set(rows.index), set(geometry["index"]), str(path))
        parts.append(rows_with(task, geometry, rows))
    return pd.concat(parts, ignore_index=True)


def _check_same_ids(task: str, in_table: set[int], in_labels: set[int], where: str) -> None:
    if odd := sorted(in_table ^ in_labels):
        place, other = ("table", "labels") if odd[0] in in_table else ("labels", "table")
        raise DataError(f"{where}: object {odd[0]} of {task} is in the {place} but not in the {other}.")


def _tasks(data: Mapping[str, Any], where: Path) -> list[str]:
    tasks = data.get("tasks")
    if not isinstance(tasks, list) or not tasks or any(tasks.count(task) > 1 for task in tasks):
        raise DataError(f"{where} is damaged: 'tasks' must be a list of different names.")
    if unknown := [task for task in tasks if task not in INSTANCE_TASKS]:
        raise DataError(f"{where} is damaged: {unknown[0]!r} is not one of {', '.join(INSTANCE_TASKS)}.")
    return tasks


def _models(data: Mapping[str, Any], where: Path) -> dict[str, ModelUsed]:
    fields = {task: mapping(data, task, where) for task in data}
    return {
        task: ModelUsed(name=text(model, "name", where), sha256=text(model, "sha256", where))
        for task, model in fields.items()
    }
