"""EBHI-style trees: ``<root>/<Category>/image/<name>.png`` with ``<root>/<Category>/label/<name>.png``.

A name is ``<letters><patient>-<block>-<magnification>-<number>``, for example ``GTXC2015362-9-400-003``. The
patient is the digits alone: the letters' case varies between files of one patient (Shi et al. 2023, EBHI-Seg).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import DataError
from ..problems import Problem
from .folders import files_by_stem, listing, missing_image, missing_label
from .same_patients import same_patients

_NAME = re.compile(r"([A-Za-z]+)([0-9]+)-([0-9]+)-([0-9]+)-([0-9]+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class PairName:
    """The parts of a pair's file name.

    Attributes
    ----------
    letters, patient : str
        ``GTXC`` and ``2015362``; the patient keeps its leading zeros.
    block, magnification, number : int
        Block of the biopsy, total magnification, running number of the tile.
    """

    letters: str
    patient: str
    block: int
    magnification: int
    number: int

    def __str__(self) -> str:
        """The name as it stands on disk, without suffix."""
        return f"{self.letters}{self.patient}-{self.block}-{self.magnification}-{self.number:03d}"


@dataclass(frozen=True, kw_only=True, slots=True)
class PairRecord:
    """One image with its mask.

    Attributes
    ----------
    category : str
        Name of the category folder.
    name : str
        File name without suffix.
    patient : str
        Digits of the name's leading part: the group that must never be split.
    block, number, magnification : int
    image_path, label_path : Path
    patients : frozenset of str
        Every number that this patient has in the tree (``same_patients``); ``patient`` is the first of them.
    """

    category: str
    name: str
    patient: str
    block: int
    number: int
    magnification: int
    image_path: Path
    label_path: Path
    patients: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        """``category/name``: unique in a tree, where the name alone is not."""
        return f"{self.category}/{self.name}"

    @property
    def stratum(self) -> str:
        """What a split balances: the category."""
        return self.category


def parse_name(stem: str) -> PairName | None:
    """The parts of a file name without suffix, or None if it is not of the EBHI form."""
    match = _NAME.fullmatch(stem)
    if match is None:
        return None
    letters, patient, block, magnification, number = match.groups()
    return PairName(
        letters=letters,
        patient=patient,
        block=int(block),
        magnification=int(magnification),
        number=int(number),
    )


def index_tree(root: Path) -> tuple[list[PairRecord], list[Problem]]:
    """List the pairs of a tree without opening any image.

    Parameters
    ----------
    root : Path
        Folder that holds the category folders.

    Returns
    -------
    records : list of PairRecord
        Complete pairs, sorted by id.
    problems : list of Problem
        Missing partners and names without a patient; none of them is fatal.

    Raises
    ------
    DataError
        If ``root`` is missing, cannot be listed, or holds no category folder, or its ``patients.json`` is damaged.
    """
    records: list[PairRecord] = []
    problems: list[Problem] = []
    with listing(root):
        for folder in _category_folders(root):
            for found in _pairs_of(folder):
                if isinstance(found, Problem):
                    problems.append(found)
                else:
                    records.append(found)
    known = same_patients(root)
    records = [_joined(record, known.get(record.patient)) for record in records] if known else records
    return sorted(records, key=lambda record: record.id), problems


def _joined(record: PairRecord, numbers: frozenset[str] | None) -> PairRecord:
    """A record of a patient with several numbers, under the first of them."""
    return record if numbers is None else replace(record, patient=min(numbers), patients=numbers)


def _category_folders(root: Path) -> list[Path]:
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; choose the folder that holds the category folders.")
    if (root / "image").is_dir() and (root / "label").is_dir():
        raise DataError(f"{root} is one category; choose the folder above it, which holds all categories.")
    folders = sorted(entry for entry in root.iterdir() if _has_parts(entry))
    if not folders:
        raise DataError(f"{root} is no tree of pairs: it holds no <Category>/image and <Category>/label.")
    return folders


def _has_parts(folder: Path) -> bool:
    return (folder / "image").is_dir() or (folder / "label").is_dir()


def _pairs_of(folder: Path) -> Iterator[PairRecord | Problem]:
    images, doubled_images = files_by_stem(folder / "image")
    labels, doubled_labels = files_by_stem(folder / "label")
    yield from doubled_images
    yield from doubled_labels
    yield from (missing_label(images[stem]) for stem in sorted(images.keys() - labels.keys()))
    yield from (missing_image(labels[stem]) for stem in sorted(labels.keys() - images.keys()))
    for stem in sorted(images.keys() & labels.keys()):
        name = parse_name(stem)
        yield (
            _nameless(images[stem]) if name is None else _record(folder.name, stem, name, images[stem], labels[stem])
        )


def _record(category: str, stem: str, name: PairName, image: Path, label: Path) -> PairRecord:
    return PairRecord(
        category=category,
        name=stem,
        patient=name.patient,
        block=name.block,
        number=name.number,
        magnification=name.magnification,
        image_path=image,
        label_path=label,
    )


def _nameless(path: Path) -> Problem:
    return Problem(
        kind="no-patient",
        path=path,
        severity="skipped",
        what="The name is not <letters><patient>-<block>-<magnification>-<number>; its patient is not known.",
        advice="Rename the image and its label, for example to AB0001-1-400-001.",
    )
