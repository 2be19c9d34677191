"""Annotations on disk that were added to the export, as subjects beside the open ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ...annotation.frame import Region
from ...annotation.regions import is_part
from ...errors import DataError
from ...exporting.image_index import INDEX_FILE, Stated, read_index
from ...exporting.saved_annotations import Found, SavedImage, find_saved
from ...pairs.layout.ebhi import parse_name
from ...pairs.words import counted
from ...pairs.write.export_source import ExportSource
from ...progress import Job
from .open_images import ExportCandidate


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a folder holds.

    Attributes
    ----------
    found : Found
    stated : mapping of image name to Stated
        From ``index.csv`` beside the annotations, where there is one.
    problem : str
        Why the index cannot be read; empty if it can, or there is none.
    """

    found: Found
    stated: Mapping[str, Stated] = field(default_factory=dict)
    problem: str = ""


def look_job(folder: Path) -> Job[Look]:
    """Look for annotations, and for an index beside them.

    Raises
    ------
    DataError
        If there is no such folder, or it holds no annotation.
    """
    found = yield from find_saved(folder)
    index = folder / INDEX_FILE
    try:
        return Look(found=found, stated=read_index(index) if index.is_file() else {})
    except DataError as error:
        return Look(found=found, problem=str(error))


class SavedImages:
    """What was found in folders so far; each annotation once."""

    def __init__(self) -> None:
        self._images: dict[str, SavedImage] = {}
        self._candidates: dict[str, ExportCandidate] = {}

    def list(self) -> tuple[ExportCandidate, ...]:
        """In the order in which they were found."""
        return tuple(self._candidates.values())

    def readers(self, annotator: str) -> dict[str, Callable[[], ExportSource]]:
        """What reads each of them, by key; ``annotator`` stands for those that name nobody."""
        return {key: partial(image.read, annotator) for key, image in self._images.items()}

    def take(self, look: Look) -> str:
        """Add what a look gave; returns what to say about it."""
        new = {str(one.folder.resolve()): one for one in look.found.images}
        count = len(new.keys() - self._images.keys())
        self._images |= new
        self._candidates |= {key: _candidate(key, one, look.stated.get(one.name)) for key, one in new.items()}
        sentences = [f"{counted(count, 'saved annotation')} added."]
        lost = sum(one.image_path is None for one in new.values())
        if lost:
            sentences.append(f"The image of {lost:,} was not found; put it beside the annotation and look again.")
        return " ".join([*sentences, *([look.problem] if look.problem else []), *look.found.problems])


def _shown(region: Region) -> str:
    return f"{region[3] - region[1]} × {region[2] - region[0]} px at {region[0]}, {region[1]}"


def _candidate(key: str, image: SavedImage, stated: Stated | None) -> ExportCandidate:
    about = image.about
    ranked = sorted(about.tissue.items(), key=lambda item: -item[1])
    return ExportCandidate(
        key=key,
        image_id="",
        name=image.name if not is_part(about.frame, about.factors) else f"{image.name} ({_shown(about.frame.region)})",
        tasks=about.tasks,
        layer_names=(),
        size_px=about.frame.shape,
        pixel_size_um=about.pixel_size.mean_um,
        suggestion=ranked[0][0] if ranked and not about.tissue_doubt else "",
        readout=", ".join(f"{name} {share:.0%}" for name, share in ranked[:2]),
        file_name=parse_name(Path(image.name).stem),
        folder=str(image.folder),
        missing=image.image_path is None,
        stated=stated,
        reviewed=image.reviewed,
    )
