"""Whose tissue an image shows and what it is: from the command line, or from a CSV file with a line for each image."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError, SettingsError
from ..pairs.source import ExportSource

NOT_KNOWN = "not known"
CLEAR_SHARE = 0.5
CLEAR_MARGIN = 0.15


class FromReadout:
    """Stands for a category that the model's readout decides."""

    def of(self, source: ExportSource) -> str:
        """The likeliest tissue class. Raises ``SettingsError`` where the readout is missing or not clear."""
        ranked = sorted(source.tissue.items(), key=lambda item: -item[1])
        second = ranked[1][1] if len(ranked) > 1 else 0.0
        if not ranked or ranked[0][1] < CLEAR_SHARE or ranked[0][1] - second < CLEAR_MARGIN:
            said = ", ".join(f"{name} {share:.0%}" for name, share in ranked[:2]) or "nothing"
            raise SettingsError(f"The readout is not clear ({said}); give the category with --category or --index.")
        return ranked[0][0]


@dataclass(frozen=True, kw_only=True)
class ImageFacts:
    """What is said about one image; ``patient_id`` None means "not known"."""

    patient_id: str | None
    category: str | FromReadout
    block: int

    def category_for(self, source: ExportSource) -> str:
        """The category's name. Raises ``SettingsError``."""
        return self.category.of(source) if isinstance(self.category, FromReadout) else self.category


def facts_of(arguments: argparse.Namespace) -> dict[Path, ImageFacts]:
    """Facts of every image on the command line.

    Raises
    ------
    SettingsError
        If a category is missing.
    DataError
        If the index file is missing or damaged, or does not name every image with its patient.
    """
    lines = read_index(arguments.index) if arguments.index is not None else {}
    return {path: _facts(path, lines, arguments) for path in arguments.images}


def read_index(path: Path) -> dict[str, Mapping[str, str]]:
    """Lines of an index file by image name; ``image`` may hold a path, its last part counts."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return dict(_lines(path, csv.DictReader(stream)))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV table in UTF-8: {error}.") from error


def _lines(path: Path, reader: csv.DictReader[str]) -> Iterator[tuple[str, Mapping[str, str]]]:
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
        yield name, {key: (value or "").strip() for key, value in line.items() if isinstance(key, str)}


def _facts(path: Path, lines: Mapping[str, Mapping[str, str]], arguments: argparse.Namespace) -> ImageFacts:
    line: Mapping[str, str] = {}
    patient = arguments.patient
    if arguments.index is not None:
        line = lines.get(path.name, {})
        patient = line.get("patient", "")
        if not patient:
            raise DataError(f"{arguments.index} gives no patient for {path.name}; write the id, or '{NOT_KNOWN}'.")
    return ImageFacts(
        patient_id=None if arguments.patient_unknown or patient == NOT_KNOWN else patient,
        category=_category(path, line.get("category", ""), arguments),
        block=_block(line.get("block", ""), arguments),
    )


def _category(path: Path, stated: str, arguments: argparse.Namespace) -> str | FromReadout:
    if stated or arguments.category:
        return str(stated or arguments.category)
    if arguments.category_from_readout:
        return FromReadout()
    raise SettingsError(
        f"{path.name} has no category; give --category, --category-from-readout, or a column category in --index."
    )


def _block(stated: str, arguments: argparse.Namespace) -> int:
    if not stated:
        return int(arguments.block)
    if not stated.isdecimal():
        raise DataError(f"{arguments.index}: block must be a whole number, not {stated[:40]!r}.")
    return int(stated)
