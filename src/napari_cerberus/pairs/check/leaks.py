"""What leaks between the sides of a split: patients on several sides, near-duplicate images across sides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ...errors import DataError
from ...progress import Job, Progress
from ..layout.tile_pixels import read_rgb
from ..split import Split, Splittable, Subset, apply_split
from ..words import counted
from .image_print import ImagePrint, image_print, near_duplicates
from .same_field import FieldPrint, field_print, views_of_one_field


class ImageItem(Splittable, Protocol):
    """A tile whose pixels can be compared."""

    @property
    def image_path(self) -> Path: ...


@dataclass(frozen=True, kw_only=True)
class PatientLeak:
    """A patient who stands on several sides.

    Attributes
    ----------
    patient : str
    tiles : mapping of side to number of tiles
    """

    patient: str
    tiles: dict[Subset, int]


@dataclass(frozen=True, kw_only=True)
class DuplicateLeak:
    """Two near-identical images, or views of one field, on different sides."""

    first_id: str
    first_side: Subset
    second_id: str
    second_side: Subset


@dataclass(frozen=True, kw_only=True)
class LeakReport:
    """Every leak that was found.

    Attributes
    ----------
    patients : tuple of PatientLeak
    duplicates : tuple of DuplicateLeak
    unread : tuple of str
        Ids whose image could not be read, so that nothing is known about them.
    """

    patients: tuple[PatientLeak, ...]
    duplicates: tuple[DuplicateLeak, ...]
    unread: tuple[str, ...] = ()

    @property
    def leaks(self) -> bool:
        """Whether the split must be refused unless it was asked for by name."""
        return bool(self.patients or self.duplicates)

    @property
    def summary(self) -> str:
        """One sentence for the user."""
        if not self.leaks:
            return "No patient and no picture of the same tissue stands on two sides."
        return (
            f"This split leaks: {counted(len(self.patients), 'patient')} and "
            f"{counted(len(self.duplicates), 'pair')} of pictures of the same tissue stand on more than one side."
        )


def shared_patients(split: Split, records: Iterable[Splittable]) -> tuple[PatientLeak, ...]:
    """Patients with tiles on more than one side, sorted. Raises ``DataError`` as ``apply_split``."""
    parts = apply_split(split, records)
    tiles: dict[str, dict[Subset, int]] = defaultdict(dict)
    for side, members in parts.sides.items():
        for record in members:
            tiles[record.patient][side] = tiles[record.patient].get(side, 0) + 1
    return tuple(
        PatientLeak(patient=patient, tiles=sides) for patient, sides in sorted(tiles.items()) if len(sides) > 1
    )


def leak_report(split: Split, records: Sequence[ImageItem]) -> Job[LeakReport]:
    """Look for patients and near-duplicate images on several sides; reads every image once.

    Parameters
    ----------
    split : Split
    records : sequence of tiles with ``image_path``

    Yields
    ------
    Progress
        One step an image.

    Raises
    ------
    DataError
        If the split names tiles that are not among ``records``.
    """
    patients = shared_patients(split, records)
    members = [(record, side) for side, items in apply_split(split, records).sides.items() for record in items]
    prints: list[ImagePrint] = []
    fields: list[FieldPrint] = []
    known: list[tuple[ImageItem, Subset]] = []
    unread: list[str] = []
    for done, (record, side) in enumerate(members):
        yield Progress("Looking for leaks", done, len(members))
        try:
            image = read_rgb(record.image_path)
        except DataError:  # the data check names the damaged file; here it only cannot be compared
            unread.append(record.id)
        else:
            prints.append(image_print(image))
            fields.append(field_print(image))
            known.append((record, side))
    duplicates = [
        DuplicateLeak(
            first_id=known[i][0].id, first_side=known[i][1], second_id=known[j][0].id, second_side=known[j][1]
        )
        for i, j in sorted({*near_duplicates(prints), *views_of_one_field(fields)})
        if known[i][1] != known[j][1]
    ]
    return LeakReport(patients=patients, duplicates=tuple(duplicates), unread=tuple(unread))
