"""A folder of pairs that is added to: which names are taken, which categories and patients it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ...errors import DataError, OutputError
from ...files import sha256_of
from .ebhi import PairName, PairRecord, index_tree, parse_name
from .manifest import Entry, live_entries, read_manifest
from .tile_pixels import pixels_sha256, read_rgb

PARTS = ("image", "label", "sidecar")
_ANNOTATIONS = ("annotation.json", "summary.json")
"""What folders of the dock and of ``annotate`` describe themselves by."""


@dataclass(frozen=True)
class Dataset:
    """What a folder of pairs holds, listed once.

    Attributes
    ----------
    root : Path
        May not exist yet.
    entries : list of Entry
        Of the manifest, replaced ones included.
    """

    root: Path
    entries: Sequence[Entry]

    def survey(self) -> None:
        """List everything now. Raises ``OSError`` if the folder cannot be listed."""
        _ = self.categories, self.taken, self.live, self.patients

    @cached_property
    def categories(self) -> list[str]:
        """Names of the category folders."""
        if not self.root.is_dir():
            return []
        return sorted(entry.name for entry in self.root.iterdir() if (entry / "image").is_dir())

    @cached_property
    def taken(self) -> set[PairName]:
        """Names that stand in the folder or in its manifest."""
        stems = {entry.name for entry in self.entries}
        for category in self.categories:
            for part in PARTS:
                stems |= {path.stem for path in (self.root / category / part).glob("*.*")}
        return {name for stem in stems if (name := parse_name(stem)) is not None}

    @cached_property
    def live(self) -> dict[str, list[Entry]]:
        """Entries by tile key whose image and mask are still there."""
        found: dict[str, list[Entry]] = {}
        for entry in self._by_id.values():
            if all((self.root / entry.paths[key]).exists() for key in ("image", "label")):
                found.setdefault(entry.tile_key, []).append(entry)
        return found

    @cached_property
    def patients(self) -> Mapping[str, str]:
        """Patient id by the digits that stand for it, from the manifest."""
        names = ((parse_name(entry.name), entry.patient_id) for entry in self.entries)
        return {name.patient: patient_id for name, patient_id in names if name is not None}

    @cached_property
    def patient_digits(self) -> frozenset[str]:
        """Digits of every patient whose pairs stand in the folder or its manifest."""
        return frozenset(name.patient for name in self.taken)

    def is_untouched(self, pair_id: str) -> bool:
        """Whether image and mask of an exported pair are there and as they were exported."""
        entry = self._by_id.get(pair_id)
        return entry is not None and all(
            _hash_or_none(self.root / entry.paths[key]) == entry.files[key] for key in ("image", "label")
        )

    def published_with(self, patient: str, image_sha256: str) -> PairRecord | None:
        """A pair of this patient that is not in the manifest and shows exactly this image."""
        if patient not in self._published:
            own = {entry.id for entry in self.entries}
            others = (one for one in self._records if patient in (one.patient, *one.patients) and one.id not in own)
            self._published[patient] = {hash_: one for one in others if (hash_ := _image_hash(one))}
        return self._published[patient].get(image_sha256)

    @cached_property
    def _published(self) -> dict[str, dict[str, PairRecord]]:
        return {}

    @cached_property
    def _by_id(self) -> dict[str, Entry]:
        return {entry.id: entry for entry in live_entries(self.entries)}

    @cached_property
    def _records(self) -> list[PairRecord]:
        return index_tree(self.root)[0] if self.categories else []


def open_dataset(root: Path) -> Dataset:
    """List a folder of pairs; it may not exist yet.

    Raises
    ------
    DataError
        If the manifest is damaged.
    OutputError
        If ``root`` is a file, or a folder of another kind.
    """
    if root.exists() and not root.is_dir():
        raise OutputError(f"{root} is a file; choose a folder.")
    if (root / "image").is_dir() and (root / "label").is_dir():
        raise OutputError(f"{root} is a category; choose the folder above it, which holds all categories.")
    if any((root / part).is_dir() for part in ("images", "labels")):
        raise OutputError(f"{root} is a folder of instance labels; choose another folder for pairs.")
    if any((root / name).is_file() for name in _ANNOTATIONS):
        raise OutputError(f"{root} is a saved annotation, and saving it again would remove the pairs; choose another.")
    return Dataset(root, read_manifest(root))


def refuse_source_folder(root: Path, source_path: Path | None) -> None:
    """Refuse to write into the folder that an image came from. Raises ``OutputError``."""
    if source_path is not None and root.resolve() in source_path.resolve().parents:
        raise OutputError(
            f"{root} is the folder that {source_path.name} came from; choose another folder, so that no source file "
            "is touched and no image stands in the data twice."
        )


def _image_hash(record: PairRecord) -> str | None:
    try:
        return pixels_sha256(read_rgb(record.image_path))
    except DataError:  # a damaged file shows nothing; the data check names it
        return None


def _hash_or_none(path: Path) -> str | None:
    try:
        return sha256_of(path)
    except OSError:
        return None
