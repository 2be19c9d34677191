"""What can be wrong with a set of tiles: lone images, lone patients, duplicates, leaking splits."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from ...errors import DataError
from ..problems import Problem
from ..split import Split
from .image_print import ImagePrint, near_duplicates
from .leaks import ImageItem, shared_patients
from .same_field import FieldPrint, views_of_one_field


def check_groups(root: Path, records: Sequence[ImageItem]) -> Iterator[Problem]:
    """Categories with one image or one patient, a set with one patient, patients in all categories."""
    if not records:
        yield Problem(
            kind="nothing-usable",
            path=root,
            severity="stops",
            what="No usable tile is left.",
            advice="Mend the files named above, or choose another folder.",
        )
        return
    patients = defaultdict(set)
    for record in records:
        patients[record.stratum].add(record.patient)
    yield from _lone_patients(root, records, patients)
    for category, number in sorted(Counter(record.stratum for record in records).items()):
        if number == 1:
            yield Problem(
                kind="one-image",
                path=root / category,
                severity="note",
                what=f"Category {category!r} has one usable image, so it can stand on one side of a split only.",
                advice="Add images of it, or leave the category out.",
            )
        elif len(patients[category]) == 1 and len(patients) > 1:
            yield Problem(
                kind="one-patient-in-category",
                path=root / category,
                severity="note",
                what=f"All images of category {category!r} come from one patient.",
                advice="Add patients: no figure for this category will tell how it does on a new one.",
            )


def check_duplicates(records: Sequence[ImageItem], prints: Sequence[ImagePrint]) -> Iterator[Problem]:
    """Near-identical images, worse where they carry different categories or patients."""
    for i, j in near_duplicates(prints):
        first, second = records[i], records[j]
        differences = [
            f"{word} {getattr(first, field)!r} and {getattr(second, field)!r}"
            for word, field in (("categories", "stratum"), ("patients", "patient"))
            if getattr(first, field) != getattr(second, field)
        ]
        under = f", under {' and '.join(differences)}" if differences else ""
        yield Problem(
            kind="duplicate-contradiction" if differences else "duplicate",
            path=second.image_path,
            severity="note",
            what=f"This image is (nearly) the same as {first.id}{under}.",
            advice="Keep the right one of the two." if differences else "Remove one of the two.",
        )


def check_same_field(records: Sequence[ImageItem], prints: Sequence[FieldPrint]) -> Iterator[Problem]:
    """Views of one field under different patients; one of each two patients is named."""
    told = set()
    for i, j in views_of_one_field(prints):
        first, second = records[i], records[j]
        patients = frozenset((first.patient, second.patient))
        if len(patients) == 2 and patients not in told:
            told.add(patients)
            yield Problem(
                kind="same-tissue",
                path=second.image_path,
                severity="note",
                what=f"This image shows tissue that {first.id} shows too, under patients "
                f"{first.patient!r} and {second.patient!r}.",
                advice="Give both the same patient; a fine-tune counts the two patients as one until then.",
            )


def check_split(split_path: Path, split: Split, records: Sequence[ImageItem]) -> Iterator[Problem]:
    """Whether a split fits the tiles, and which patients it tears apart."""
    try:
        torn = shared_patients(split, records)
    except DataError as error:
        yield Problem(
            kind="split-mismatch",
            path=split_path,
            severity="stops",
            what=str(error),
            advice="Tiles that this check skips must not be named by a split.",
        )
        return
    for leak in torn:
        sides = ", ".join(f"{side} ({number})" for side, number in leak.tiles.items())
        yield Problem(
            kind="patient-in-several-splits",
            path=split_path,
            severity="note" if split.unit == "image" else "stops",
            what=f"Patient {leak.patient} stands in {sides}.",
            advice="Split by patient: figures from this split are too good.",
        )


def _lone_patients(root: Path, records: Sequence[ImageItem], patients: dict[str, set[str]]) -> Iterator[Problem]:
    everyone = set().union(*patients.values())
    if len(everyone) == 1:
        yield Problem(
            kind="one-patient",
            path=root,
            severity="note",
            what=f"All {len(records)} tiles come from one patient ({next(iter(everyone))}).",
            advice="Add patients: on its own this data cannot be split, and no figure from it holds for others.",
        )
        return
    if len(patients) < 2:
        return
    for patient in sorted(set.intersection(*patients.values())):
        yield Problem(
            kind="patient-in-all-categories",
            path=root,
            severity="note",
            what=f"Patient {patient} stands in every category.",
            advice="Check that the name does not hide several patients.",
        )
