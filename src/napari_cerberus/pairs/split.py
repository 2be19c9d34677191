"""Which tiles train, validate and test: split by patient, balanced by category, kept as one JSON file.

A tile is anything with an ``id``, a ``patient`` (the group that must not be torn apart) and a ``stratum`` (what
is balanced: the category). The result depends on these and the seed alone, never on the order of the list.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, Literal, Protocol, TypeVar, get_args

import numpy as np

from ..errors import DataError, SettingsError
from ..files import write_text
from ..strict_json import read_object
from .balance import assign_groups
from .words import counted

FORMAT = "napari-cerberus-split/1"
Subset = Literal["train", "validation", "test"]
SUBSETS: tuple[Subset, ...] = get_args(Subset)
Unit = Literal["patient", "image"]
UNITS: tuple[Unit, ...] = get_args(Unit)
_MAX_BYTES = 256 * 2**20


class Splittable(Protocol):
    """What a split needs of a tile: its unique id, the group that stays together, and its category."""

    @property
    def id(self) -> str: ...
    @property
    def patient(self) -> str: ...
    @property
    def stratum(self) -> str: ...


Record = TypeVar("Record", bound=Splittable)


@dataclass(frozen=True, kw_only=True)
class Split:
    """Ids of the tiles on each side.

    Attributes
    ----------
    seed : int
    unit : {"patient", "image"}
        ``image``: patients may stand on several sides; only for repeating a published protocol.
    train, validation, test : tuple of str
        Sorted ids.
    counts : mapping of side to (mapping of category to number of tiles)
    """

    seed: int
    unit: Unit
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]

    @property
    def sides(self) -> dict[Subset, tuple[str, ...]]:
        """Ids by side, in the order train, validation, test."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


@dataclass(frozen=True, kw_only=True)
class Parts(Generic[Record]):
    """The records of a split's sides.

    Attributes
    ----------
    train, validation, test : list of records
        In the order of the split's ids.
    unassigned : list of records
        Records that the split does not name (added to the folder later).
    """

    train: list[Record]
    validation: list[Record]
    test: list[Record]
    unassigned: list[Record]

    @property
    def sides(self) -> dict[Subset, list[Record]]:
        """Records by side, in the order train, validation, test."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def split_by_patient(
    records: Iterable[Splittable], fractions: Sequence[float] = (0.7, 0.15, 0.15), seed: int = 0
) -> Split:
    """Split so that no patient stands on two sides, each category as near to its shares as can be.

    Parameters
    ----------
    records : iterable of tiles
    fractions : three floats
        Wanted shares of train, validation and test; they sum to 1, and validation or test may be 0.
    seed : int

    Raises
    ------
    DataError
        If there are fewer patients than sides, or two tiles have one id.
    SettingsError
        If the fractions make no sense.
    """
    return _split(list(records), fractions, seed, "patient")


def split_by_image(
    records: Iterable[Splittable], fractions: Sequence[float] = (0.7, 0.15, 0.15), seed: int = 0
) -> Split:
    """Split tile by tile, patients torn apart: it leaks, and exists only to repeat published protocols.

    Parameters and errors are those of ``split_by_patient``.
    """
    return _split(list(records), fractions, seed, "image")


def under_sources(split: Split, ids: Iterable[str]) -> Split:
    """A split of a folder under the ids of a run, which begin with the name of a source.

    Ids that the run knows stay as they are, and so do those that it does not know at all, or under several sources.

    Parameters
    ----------
    split : Split
        As ``pairs split`` writes it (``Category/name``), or already with sources (``source/Category/name``).
    ids : iterable of str
        Of the run's tiles.
    """
    known = set(ids)
    full: dict[str, list[str]] = defaultdict(list)
    for id_ in known:
        full[id_.partition("/")[2]].append(id_)

    def named(id_: str) -> str:
        return id_ if id_ in known or len(full.get(id_, ())) != 1 else full[id_][0]

    train, validation, test = (tuple(sorted(map(named, members))) for members in split.sides.values())
    return replace(split, train=train, validation=validation, test=test)


def apply_split(split: Split, records: Iterable[Record]) -> Parts[Record]:
    """Pick the records of each side.

    Raises
    ------
    DataError
        If the split names tiles that are not among ``records``.
    """
    by_id = _by_id(records)
    missing = [id_ for ids in split.sides.values() for id_ in ids if id_ not in by_id]
    if missing:
        raise DataError(
            f"The split names {counted(len(missing), 'tile')} that the data does not hold, for example {missing[0]!r}; "
            "use the split file that belongs to this data, or make a new one."
        )
    named = {id_ for ids in split.sides.values() for id_ in ids}
    return Parts(
        train=[by_id[id_] for id_ in split.train],
        validation=[by_id[id_] for id_ in split.validation],
        test=[by_id[id_] for id_ in split.test],
        unassigned=[by_id[id_] for id_ in sorted(by_id.keys() - named)],
    )


def write_split(path: Path, split: Split) -> None:
    """Write the split as JSON, atomically. Raises ``OutputError``."""
    content = {
        "format": FORMAT,
        "seed": split.seed,
        "unit": split.unit,
        "counts": split.counts,
        "train": list(split.train),
        "validation": list(split.validation),
        "test": list(split.test),
    }
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_split(path: Path) -> Split:
    """Read a split file, strictly.

    Raises
    ------
    DataError
        If the file is missing, damaged, of another format, or names a tile twice.
    """
    content = read_object(path, max_bytes=_MAX_BYTES)
    if content.get("format") != FORMAT:
        raise DataError(f"{path}: format is {_shown(content.get('format'))}, but {FORMAT!r} is needed.")
    unknown = sorted(content.keys() - {"format", "seed", "unit", "counts", *SUBSETS})
    if unknown:
        raise DataError(f"{path}: unknown field {_shown(unknown[0])}.")
    sides = {side: _id_list(path, side, content.get(side)) for side in SUBSETS}
    times = Counter(id_ for ids in sides.values() for id_ in ids)
    if any(number > 1 for number in times.values()):
        raise DataError(f"{path}: tile {_shown(max(times, key=times.__getitem__))} is named more than once.")
    seed, unit = content.get("seed"), content.get("unit")
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise DataError(f"{path}: seed must be a whole number, not {_shown(seed)}.")
    if unit not in UNITS:
        raise DataError(f"{path}: unit must be one of {', '.join(UNITS)}, not {_shown(unit)}.")
    return Split(
        seed=seed,
        unit=unit,
        train=sides["train"],
        validation=sides["validation"],
        test=sides["test"],
        counts=_checked_counts(path, content.get("counts"), sides),
    )


def _split(records: list[Splittable], fractions: Sequence[float], seed: int, unit: Unit) -> Split:
    shares = _checked_fractions(fractions)
    by_id = _by_id(records)
    groups: dict[str, list[Splittable]] = defaultdict(list)
    for id_ in sorted(by_id):
        groups[by_id[id_].patient if unit == "patient" else id_].append(by_id[id_])
    _require_enough_groups(len(groups), shares, unit)
    names = sorted(groups)
    sides = assign_groups([Counter(one.stratum for one in groups[name]) for name in names], shares, seed)
    ids: dict[str, list[str]] = {side: [] for side in SUBSETS}
    for name, side in zip(names, sides, strict=True):
        ids[SUBSETS[side]].extend(one.id for one in groups[name])
    return Split(
        seed=seed,
        unit=unit,
        train=tuple(sorted(ids["train"])),
        validation=tuple(sorted(ids["validation"])),
        test=tuple(sorted(ids["test"])),
        counts={side: _stratum_counts(by_id[id_] for id_ in ids[side]) for side in SUBSETS},
    )


def _stratum_counts(records: Iterable[Splittable]) -> dict[str, int]:
    return dict(sorted(Counter(record.stratum for record in records).items()))


def _by_id(records: Iterable[Record]) -> dict[str, Record]:
    found: dict[str, Record] = {}
    for record in records:
        if record.id in found:
            raise DataError(f"Two tiles have the id {record.id!r}; every tile needs an id of its own.")
        found[record.id] = record
    return found


def _checked_fractions(fractions: Sequence[float]) -> tuple[float, ...]:
    shares = tuple(float(share) for share in fractions)
    if len(shares) != len(SUBSETS) or not all(math.isfinite(share) and share >= 0 for share in shares):
        raise SettingsError(f"fractions must be three shares (train, validation, test), not {fractions!r}.")
    if shares[0] == 0 or not np.isclose(sum(shares), 1.0, atol=1e-6):
        raise SettingsError(f"fractions must sum to 1 and leave something to train on, not {fractions!r}.")
    return shares


def _require_enough_groups(groups: int, shares: Sequence[float], unit: Unit) -> None:
    wanted = sum(share > 0 for share in shares)
    if groups < wanted:
        cure = "Add patients, or set the share of a side to 0." if unit == "patient" else "Add images."
        raise DataError(f"{counted(groups, unit)} cannot be split into {wanted} sides without leaking. {cure}")


def _id_list(path: Path, side: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(id_, str) and id_ for id_ in value):
        raise DataError(f"{path}: {side} must be a list of tile ids.")
    return tuple(value)


def _checked_counts(path: Path, value: object, sides: Mapping[Subset, Sequence[str]]) -> dict[str, dict[str, int]]:
    """The written counts, checked against the lists: a file edited by hand must not report old numbers."""
    message = f"{path}: counts must give the tiles of each side and category, and agree with the lists."
    if not isinstance(value, dict) or value.keys() != set(SUBSETS):
        raise DataError(message)
    for side, counts in value.items():
        if not isinstance(counts, dict) or any(type(number) is not int for number in counts.values()):
            raise DataError(message)
        if min(counts.values(), default=1) < 1 or sum(counts.values()) != len(sides[side]):
            raise DataError(message)
    return value


def _shown(value: object) -> str:
    return repr(value)[:80]
