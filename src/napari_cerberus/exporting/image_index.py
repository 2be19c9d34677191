"""Whose tissue each image shows and what it is, from a CSV file with a line for each image."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..decode_errors import reason_of
from ..errors import DataError

NOT_KNOWN = "not known"
INDEX_FILE = "index.csv"
"""Beside saved annotations it is found without being named."""


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What an index says of one image.

    Attributes
    ----------
    patient_id : str
        Empty where the line gives none, or says "not known".
    patient_unknown : bool
        It says "not known".
    category : str
        May be empty.
    block : int or None
    """

    patient_id: str = ""
    patient_unknown: bool = False
    category: str = ""
    block: int | None = None


def read_index(path: Path) -> dict[str, Stated]:
    """Lines of an index file by image name; ``image`` may hold a path, its last part counts.

    Raises
    ------
    DataError
        If the file is missing, no table with the columns ``image`` and ``patient``, or names an image twice.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return dict(_lines(path, csv.DictReader(stream)))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV table in UTF-8: {reason_of(error)}.") from error


def _lines(path: Path, reader: csv.DictReader[str]) -> Iterator[tuple[str, Stated]]:
    columns: Sequence[str] = reader.fieldnames or ()
    for needed in ("image", "patient"):
        if needed not in columns:
            raise DataError(
                f"{path} has no column {needed!r}; it needs image and patient, and may have category, block."
            )
    seen: set[str] = set()
    for line in reader:
        name = (line["image"] or "").replace("\\", "/").rpartition("/")[2]
        if name in seen:
            raise DataError(f"{path} names {name!r} twice.")
        seen.add(name)
        yield name, _stated(path, {key: (value or "").strip() for key, value in line.items() if isinstance(key, str)})


def _stated(path: Path, line: Mapping[str, str]) -> Stated:
    patient, block = line["patient"], line.get("block", "")
    if block and not (block.isascii() and block.isdecimal()):
        raise DataError(f"{path}: block must be a whole number, not {block[:40]!r}.")
    unknown = patient == NOT_KNOWN
    return Stated(
        patient_id="" if unknown else patient,
        patient_unknown=unknown,
        category=line.get("category", ""),
        block=int(block) if block else None,
    )
