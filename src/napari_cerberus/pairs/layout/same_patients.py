"""Numbers of one set that turned out to be one patient: ``patients.json`` in the set. It holds numbers only."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal

from pydantic import StringConstraints

from ...files import write_text
from ...schemas import FileSchema, read, to_bytes

SAME_FILE = "patients.json"

Number = Annotated[str, StringConstraints(pattern="^[0-9]{1,18}$")]


class SamePatients(FileSchema):
    """Groups of numbers, each of one patient."""

    format: Literal["napari-cerberus same patients"] = "napari-cerberus same patients"
    format_version: Literal[1] = 1
    groups: tuple[tuple[Number, ...], ...]


def same_patients(root: Path) -> dict[str, frozenset[str]]:
    """All numbers of a patient, by each of them; only patients who have several. Raises ``DataError``."""
    path = root / SAME_FILE
    groups = read(SamePatients, path).groups if path.is_file() else ()
    return {number: frozenset(group) for group in groups for number in group}


def join_numbers(root: Path, numbers: Collection[str]) -> None:
    """Note that numbers, and what they were joined with before, are of one patient.

    Raises
    ------
    DataError, OutputError
    """
    known = same_patients(root)
    joined = frozenset(numbers).union(*(known.get(number, frozenset()) for number in numbers))
    groups = {group for group in known.values() if not group & joined} | {joined}
    content = SamePatients(groups=tuple(sorted(tuple(sorted(group)) for group in groups)))
    write_text(root / SAME_FILE, to_bytes(content).decode())
