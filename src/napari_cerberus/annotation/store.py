"""An annotated image as one folder, from the dock and from the command line alike. Strict on load.

::

    <name>.cerberus/  or  DIR/<stem>/
      annotation.json          what it is: image and region, pixel size, models, tissue readout, who and when
      summary.json             the same in few words for other programs; never read
      nuclei.tif ...           instance labels, uint32, zlib
      model_nuclei.tif ...     the model's last result, where it was corrected
      objects.csv              all tasks, the columns of ``object_columns.COLUMNS``
      image.tif                the image, where no file of its own has it
      journal.jsonl            the history (may be missing)
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from numpy.typing import NDArray
from pydantic import ValidationError

from ..errors import CerberusError, DataError, OutputError
from ..schemas import to_bytes
from ..strict_json import read_object
from ..tasks import INSTANCE_TASKS
from ..whole_folders import atomic_folder, settle
from .annotated_image import AnnotatedImage
from .frame import Frame
from .journal import Journal, read_journal_of
from .label_maps import Labels, present_ids
from .object_columns import utc_now
from .object_table import measure, new_rows, rows_with
from .stored.folder_schema import ABOUT_FILE, FORMAT, IMAGE_FILE, SUMMARY_FILE, about_of, read_about, summary_of
from .stored.label_tiff import read_labels, write_labels
from .stored.stored_table import read_cells

SUFFIX = ".cerberus"
OBJECTS_FILE, JOURNAL_FILE = "objects.csv", "journal.jsonl"
OURS = (
    ABOUT_FILE,
    SUMMARY_FILE,
    OBJECTS_FILE,
    JOURNAL_FILE,
    IMAGE_FILE,
    *(f"{part}{task}.tif" for task in INSTANCE_TASKS for part in ("", "model_")),
)
"""What we write into such a folder; whatever else lies there stays."""


def save_annotation(
    folder: Path,
    annotated: AnnotatedImage,
    *,
    by: str = "",
    journal: Journal | Path | None = None,
    image: NDArray[np.uint8] | None = None,
) -> None:
    """Write an annotated image, whole or not at all; an older one of that name is replaced.

    Files that are not ours stay in it, and so does its journal where none is given.

    Parameters
    ----------
    by : str
        Who saves it.
    journal : Journal, Path or None
        The history: of an open journal everything, of a file what is whole in it and belongs to the same image and
        region.
    image : (H, W, 3) uint8 array, optional
        The whole image of the annotated level, where no file has it.

    Raises
    ------
    DataError
        If the parts do not fit together, or hold what no file may hold.
    OutputError
        If the folder cannot be written, or something else has that name.
    """
    check_target(folder)
    _check_fit(annotated, str(folder))
    texts = _texts(annotated, by, with_image=image is not None)
    with atomic_folder(folder, ours=OURS) as temporary:
        for task, labels in annotated.labels.items():
            write_labels(temporary / f"{task}.tif", labels, annotated.pixel_size)
            if annotated.is_corrected(task):
                write_labels(temporary / f"model_{task}.tif", annotated.model_labels[task], annotated.pixel_size)
        annotated.objects.to_csv(temporary / OBJECTS_FILE, index=False, lineterminator="\n", errors="backslashreplace")
        if image is not None:
            _write_picture(temporary / IMAGE_FILE, image)
        for name, text in texts.items():
            (temporary / name).write_bytes(text)
        _write_journal(folder, temporary, annotated.frame, journal)


def _write_picture(path: Path, image: NDArray[np.uint8]) -> None:
    tifffile.imwrite(path, image, photometric="rgb", compression="zlib")


def load_annotation(folder: Path) -> AnnotatedImage:
    """Read an annotated image and check every part of it; geometry is measured from the labels.

    Raises
    ------
    DataError
        Names the file, what is wrong with it, and the object where it is about one.
    """
    annotated, problems = load_what_is_whole(folder)
    if problems:
        raise DataError(problems[0])
    return annotated


def load_what_is_whole(folder: Path) -> tuple[AnnotatedImage, tuple[str, ...]]:
    """As ``load_annotation``, without the parts that are missing or damaged, and a sentence on each of them.

    Of a task whose ``model_<task>.tif`` cannot be read every object counts as made by hand, so that a re-run keeps it.

    Raises
    ------
    DataError
        If nothing can be read: ``annotation.json`` or all label images are missing or damaged.
    """
    settle(folder)
    about, problems = read_about(folder), list[str]()
    labels = _maps(folder, "", about.tasks, about.frame, problems)
    if about.tasks and not labels:
        raise DataError(problems[0])
    made = _maps(folder, "model_", [task for task in about.corrected if task in labels], about.frame, problems)
    lost = [task for task in about.corrected if task in labels and task not in made]
    return AnnotatedImage(
        frame=about.frame,
        pixel_size=about.pixel_size,
        labels=labels,
        model_labels={**made, **{task: np.zeros_like(labels[task]) for task in lost}},
        objects=_objects(folder / OBJECTS_FILE, labels, about.pixel_size.mean_um, problems),
        tissue=about.tissue,
        tissue_doubt=about.tissue_doubt,
        finished=about.finished,
        runs=about.runs,
        factors=about.factors,
        full_brightness=about.full_brightness,
        image_path=about.image_path,
        notes=about.notes,
        saved_at=about.saved_at,
        saved_by=about.saved_by,
    ), tuple(problems)


def is_annotation(folder: Path) -> bool:
    """Whether a folder is a saved annotation, of this version or another, whole or damaged."""
    settle(folder)
    path = folder / ABOUT_FILE
    try:
        return path.is_file() and read_object(path, max_bytes=16 << 20).get("format") == FORMAT
    except DataError:
        return True


def check_target(folder: Path) -> None:
    """Refuse to write over what is not ours. Raises ``OutputError``."""
    if folder.exists() and not (folder.is_dir() and (is_annotation(folder) or not any(folder.iterdir()))):
        raise OutputError(f"{folder} exists and is not a saved annotation; choose another name.")


def _write_journal(old: Path, new: Path, frame: Frame, journal: Journal | Path | None) -> None:
    if isinstance(journal, Journal):
        journal.copy_to(new / JOURNAL_FILE)
    elif journal is not None and (replay := read_journal_of(journal, frame)) is not None:
        (new / JOURNAL_FILE).write_bytes(journal.read_bytes()[: replay.good_bytes])
    else:
        _keep_journal(old, new, frame)


def _keep_journal(old: Path, new: Path, frame: Frame) -> None:
    """The history that lies there already; under another name where it is that of another image or region."""
    journal = old / JOURNAL_FILE
    if journal.is_file():
        numbers = (f"journal.{number}.jsonl" for number in count(1))
        free = next(name for name in numbers if not (old / name).exists())
        name = JOURNAL_FILE if read_journal_of(journal, frame) is not None else free
        shutil.copyfile(journal, new / name)


def _check_fit(annotated: AnnotatedImage, where: str) -> None:
    if not (annotated.labels or annotated.tissue):
        raise DataError(f"{where}: there is nothing to save; annotate the image or draw an object first.")
    for task, labels in annotated.labels.items():
        if task not in INSTANCE_TASKS:
            raise DataError(f"{where}: {task!r} is not a task; use {', '.join(INSTANCE_TASKS)}.")
        _check_same_ids(task, set(annotated.objects_of(task)["index"]), set(present_ids(labels)), where)


def _texts(annotated: AnnotatedImage, by: str, *, with_image: bool) -> dict[str, bytes]:
    try:
        about = about_of(annotated, saved_at=utc_now(), saved_by=by, with_image=with_image)
        return {ABOUT_FILE: to_bytes(about), SUMMARY_FILE: to_bytes(summary_of(annotated))}
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(f"The annotation cannot be saved: {place} is {first['input']!r:.60}.") from error


def _maps(
    folder: Path, part: str, tasks: tuple[str, ...] | list[str], frame: Frame, problems: list[str]
) -> dict[str, Labels]:
    found: dict[str, Labels] = {}
    for task in tasks:
        try:
            found[task] = read_labels(folder / f"{part}{task}.tif", frame.shape)
        except DataError as error:
            problems.append(str(error))
    return found


def _objects(path: Path, labels: Mapping[str, Labels], pixel_size_um: float, problems: list[str]) -> pd.DataFrame:
    """The table with geometry measured from the labels; what stands in the file for it is for people."""
    geometry = {task: measure(map_, pixel_size_um) for task, map_ in labels.items()}
    try:
        cells = read_cells(path)
        parts = [_rows(task, found, cells, path) for task, found in geometry.items()]
    except CerberusError as error:
        problems.append(str(error))
        parts = [new_rows(task, found) for task, found in geometry.items()]
    return pd.concat(parts, ignore_index=True) if parts else new_rows("", measure(np.zeros((1, 1), np.int32), 1.0))


def _rows(task: str, geometry: pd.DataFrame, cells: pd.DataFrame, path: Path) -> pd.DataFrame:
    rows = cells[cells["task"] == task].set_index("index")
    _check_same_ids(task, set(rows.index), set(geometry["index"]), str(path))
    return rows_with(task, geometry, rows)


def _check_same_ids(task: str, in_table: set[int], in_labels: set[int], where: str) -> None:
    if odd := sorted(in_table ^ in_labels):
        place, other = ("table", "labels") if odd[0] in in_table else ("labels", "table")
        raise DataError(f"{where}: object {odd[0]} of {task} is in the {place} but not in the {other}.")
