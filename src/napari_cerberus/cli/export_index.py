"""Whose tissue an image shows and what it is: from the command line, or from an index."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..errors import DataError, SettingsError
from ..exporting.image_index import NOT_KNOWN, Stated, read_index
from ..pairs.write.export_source import ExportSource

CLEAR_SHARE = 0.5
CLEAR_MARGIN = 0.15


class FromReadout:
    """Stands for a category that the model's readout decides."""

    def of(self, source: ExportSource) -> str:
        """The likeliest tissue class. Raises ``SettingsError`` where the readout is missing or not clear."""
        ranked = sorted(source.annotated.tissue.items(), key=lambda item: -item[1])
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


def facts_of(names: Iterable[str], arguments: argparse.Namespace) -> dict[str, ImageFacts]:
    """Facts of images, by file name.

    Raises
    ------
    SettingsError
        If a category is missing.
    DataError
        If the index file is missing or damaged, or does not name every image with its patient.
    """
    lines = read_index(arguments.index) if arguments.index is not None else {}
    return {name: _facts(name, lines, arguments) for name in names}


def _facts(name: str, lines: Mapping[str, Stated], arguments: argparse.Namespace) -> ImageFacts:
    stated = lines.get(name, Stated())
    if arguments.index is None:
        patient = None if arguments.patient_unknown else arguments.patient
    else:
        patient = None if stated.patient_unknown else stated.patient_id
        if patient == "":
            raise DataError(f"{arguments.index} gives no patient for {name}; write the id, or '{NOT_KNOWN}'.")
    return ImageFacts(
        patient_id=patient,
        category=_category(name, stated.category, arguments),
        block=arguments.block if stated.block is None else stated.block,
    )


def _category(name: str, stated: str, arguments: argparse.Namespace) -> str | FromReadout:
    if stated or arguments.category:
        return str(stated or arguments.category)
    if arguments.category_from_readout:
        return FromReadout()
    raise SettingsError(
        f"{name} has no category; give --category, --category-from-readout, or a column category in --index."
    )
