"""Instance folders (``images/`` + ``labels/`` + optional ``index.csv``) and tile sets with one folder a class."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...decode_errors import reason_of
from ...errors import DataError
from ..problems import Problem
from .folders import files_by_stem, listing, missing_image, missing_label


@dataclass(frozen=True, kw_only=True, slots=True)
class InstanceRecord:
    """One image with its instance labels.

    Attributes
    ----------
    id : str
        File name without suffix.
    patient : str
        From ``index.csv``; the image's own id where it says nothing.
    patient_known : bool
        Whether ``patient`` came from ``index.csv``.
    stratum : str
        Name of the folder: there are no categories to balance.
    image_path, label_path : Path
    """

    id: str
    patient: str
    patient_known: bool
    stratum: str
    image_path: Path
    label_path: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class TileRecord:
    """One tile of a class, without a mask.

    Attributes
    ----------
    id : str
        ``class/name``.
    patient : str
        From ``index.csv``; the tile's own id where it says nothing.
    patient_known : bool
    stratum : str
        The class: the folder's name.
    image_path : Path
    """

    id: str
    patient: str
    patient_known: bool
    stratum: str
    image_path: Path


def index_instances(folder: Path) -> tuple[list[InstanceRecord], list[Problem]]:
    """List the pairs of an instance folder without opening any image.

    Parameters
    ----------
    folder : Path
        Holds ``images/``, ``labels/`` with files of the same names, and optionally ``index.csv`` with the columns
        ``id`` (or ``name``) and ``patient``.

    Returns
    -------
    records : list of InstanceRecord
        Sorted by id.
    problems : list of Problem
        Missing partners, files of one name.

    Raises
    ------
    DataError
        If a folder is missing or ``index.csv`` cannot be read.
    """
    with listing(folder):
        for part in ("images", "labels"):
            if not (folder / part).is_dir():
                raise DataError(f"{folder} is no instance folder: it has no folder {part!r} inside.")
        patients = _patients(folder / "index.csv", ("id", "name"))
        images, problems = files_by_stem(folder / "images")
        labels, doubled = files_by_stem(folder / "labels")
    problems += doubled
    records = [
        InstanceRecord(
            id=stem,
            patient=patients.get(stem, stem),
            patient_known=stem in patients,
            stratum=folder.name,
            image_path=images[stem],
            label_path=labels[stem],
        )
        for stem in sorted(images.keys() & labels.keys())
    ]
    problems += [missing_label(images[stem]) for stem in sorted(images.keys() - labels.keys())]
    problems += [missing_image(labels[stem]) for stem in sorted(labels.keys() - images.keys())]
    return records, problems


def index_class_folders(root: Path) -> tuple[list[TileRecord], list[Problem]]:
    """List a tile set with one folder a class (NCT-CRC style) without opening any image.

    Parameters
    ----------
    root : Path
        Holds one folder a class with the tiles inside, and optionally ``index.csv`` with the columns ``id``
        (``class/name``) and ``patient``.

    Returns
    -------
    records : list of TileRecord
        Sorted by id.
    problems : list of Problem
        Files of one name.

    Raises
    ------
    DataError
        If ``root`` is missing or holds no folder with images, or ``index.csv`` cannot be read.
    """
    records: list[TileRecord] = []
    problems: list[Problem] = []
    with listing(root):
        if not root.is_dir():
            raise DataError(f"{root} is not a folder; choose the folder that holds one folder for each class.")
        patients = _patients(root / "index.csv", ("id",))
        folders = [entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
        for folder in sorted(folders):
            tiles, doubled = files_by_stem(folder)
            problems += doubled
            records += [_tile(folder.name, stem, path, patients) for stem, path in tiles.items()]
    if not records:
        raise DataError(f"{root} is no tile set: it holds no <Class>/<tile> images.")
    return sorted(records, key=lambda record: record.id), problems


def _tile(category: str, stem: str, path: Path, patients: Mapping[str, str]) -> TileRecord:
    id_ = f"{category}/{stem}"
    return TileRecord(
        id=id_,
        patient=patients.get(id_, id_),
        patient_known=id_ in patients,
        stratum=category,
        image_path=path,
    )


def _patients(index: Path, id_columns: Sequence[str]) -> dict[str, str]:
    """Patient of each id in ``index.csv``, in the first of the columns; empty if there is no such file."""
    if not index.exists():
        return {}
    try:
        with index.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{index} cannot be read as a CSV table: {reason_of(error)}.") from error
    name = next((column for column in id_columns if rows and column in rows[0]), None)
    if rows and name is None:
        raise DataError(f"{index} has no column {' or '.join(map(repr, id_columns))}.")
    return {row[name]: row["patient"] for row in rows if name and row.get(name) and row.get("patient")}
