"""Patients onto three sides: to train on, to choose the weights by, and held out for the comparison alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import DisjointSet

from ..model.spec import ModelSpec
from ..pairs.check.image_print import near_duplicates
from ..pairs.check.same_field import views_of_one_field
from ..pairs.check.tile_reading import Look
from ..pairs.split import SUBSETS, Split, Splittable, split_by_patient
from ..pairs.words import counted
from ..training.data.tile_sources import Tile
from ..training.training_patients import bare_patient, patients_of, taught_by

SHARES = (0.6, 0.2, 0.2)
ENOUGH_HELD_OUT = 5
"""Held-out patients below which a comparison will hardly say anything."""

LEAST_AGREEMENT = 2 / 3
"""Dice of two labellings of one picture, below which they contradict each other."""

ENOUGH_TO_LEARN = 3
"""Patients to learn from below which those that the base model was compared on are no longer kept aside."""


@dataclass(frozen=True, kw_only=True)
class PatientSplit:
    """A split with its numbers.

    Attributes
    ----------
    split : Split
    counts : mapping of "train", "validation", "held_out" to (pairs, patients)
    warnings, stops : tuple of str
    """

    split: Split
    counts: Mapping[str, tuple[int, int]]
    warnings: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Member:
    """A tile under the name of its group: its patient, or the patients that share a picture with him."""

    id: str
    patient: str
    stratum: str
    patients: frozenset[str] = frozenset()


@dataclass
class _Groups:
    """Groups by what the base model has to do with them."""

    held: list[_Member] = field(default_factory=list)
    seen: list[_Member] = field(default_factory=list)
    free: list[_Member] = field(default_factory=list)


def divide(tiles: Sequence[Tile], looks: Mapping[str, Look], base: ModelSpec, seed: int) -> PatientSplit:
    """Split by patient.

    Patients that the base model was compared on stay held out, and those it has learned from are never held out, so
    that both models are compared on patients that neither has seen. Where too few others are left to learn from, those
    it was compared on are shared out like new ones. Patients with pictures of the same tissue count as one.

    Parameters
    ----------
    tiles : sequence of Tile
    looks : mapping of tile id to Look
        What the data check has seen of each tile.
    base : ModelSpec
    seed : int
    """
    groups = _grouped(tiles, looks)
    patients = {member.patient for member in groups}
    if len(patients) < 2:
        return PatientSplit(split=_split(seed, groups, {}), counts={}, stops=(_one_patient(tiles),))
    sides, warnings = _assign(groups, base, seed)
    split = _split(seed, groups, sides)
    counts = _counts(tiles, sides)
    number = counts["held_out"][1]
    if number == 0:
        warnings.append(
            "No patient can be held out: the new model can be made, but nothing can be compared about it. Add pairs of "
            "more patients."
        )
    elif number < ENOUGH_HELD_OUT:
        warnings.append(f"Only {counted(number, 'patient')} held out: the comparison may say that these are too few.")
    return PatientSplit(split=split, counts=counts, warnings=tuple(warnings))


def _one_patient(tiles: Sequence[Tile]) -> str:
    if not tiles:
        return "No pair has labels of what is to be trained."
    return (
        f"All pairs are of one patient ({tiles[0].patient.partition(':')[2]}), so nobody could tell whether the new "
        "model is any good for another; add pairs of a second patient."
    )


def _grouped(tiles: Sequence[Tile], looks: Mapping[str, Look]) -> list[_Member]:
    groups = DisjointSet(sorted({name for tile in tiles for name in (tile.patient, *tile.patients)}))
    for tile in tiles:
        for name in tile.patients:
            groups.merge(tile.patient, name)
    for i, j in _same_tissue(tiles, looks):
        groups.merge(tiles[i].patient, tiles[j].patient)
    alike = {name: frozenset(group) for group in groups.subsets() for name in group}
    return [_Member(tile.id, min(alike[tile.patient]), tile.stratum, alike[tile.patient]) for tile in tiles]


def _same_tissue(tiles: Sequence[Tile], looks: Mapping[str, Look]) -> Iterator[tuple[int, int]]:
    seen = [looks[tile.id] for tile in tiles]
    places = [place for place, look in enumerate(seen) if look.image_print and look.field_print]
    whole = [look.image_print for look in seen if look.image_print and look.field_print]
    fields = [look.field_print for look in seen if look.image_print and look.field_print]
    for i, j in chain(near_duplicates(whole), views_of_one_field(fields)):
        yield places[i], places[j]


def contradictions(tiles: Sequence[Tile], looks: Mapping[str, Look]) -> tuple[str, ...]:
    """A sentence where the same picture is labelled differently, most often by two people or under two patients."""
    seen = [look.image_print for tile in tiles if (look := looks[tile.id]).image_print]
    known = [tile for tile in tiles if looks[tile.id].image_print]
    found = [(known[i], known[j]) for i, j in near_duplicates(seen) if _differ(known[i], known[j])]
    if not found:
        return ()
    first, second = found[0]
    return (
        f"{counted(len(found), 'picture')} stand twice with labels that contradict each other, for example "
        f"{first.image_path.name} and {second.image_path.name}; correct one of each, or take it out.",
    )


def _differ(first: Tile, second: Tile) -> bool:
    """Whether two tiles of the same picture agree in less than two thirds of what is labelled."""
    one, other = first.load(), second.load()
    return any(
        _dice(one.labels[key] > 0, other.labels[key] > 0) < LEAST_AGREEMENT
        for key in one.labels.keys() & other.labels.keys()
        if one.labels[key].shape == other.labels[key].shape
    )


def _dice(mine: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> float:
    total = int(mine.sum() + theirs.sum())
    return 2 * int((mine & theirs).sum()) / total if total else 1.0


def _assign(members: Sequence[_Member], base: ModelSpec, seed: int) -> tuple[dict[str, str], list[str]]:
    """Side of each group's tiles by id, and what is to be said."""
    groups = _by_history(members, base)
    warnings = []
    if _number([*groups.seen, *groups.free]) < ENOUGH_TO_LEARN <= _number(groups.held):
        warnings.append(
            "Nearly all of these patients were held out for the base model's own comparison; some are learned from "
            "now, so that comparison does not speak for the new model."
        )
        groups = _Groups(seen=groups.seen, free=[*groups.free, *groups.held])
    known, fresh = groups.seen, groups.free
    if not fresh and not groups.held:
        warnings.append("The base model has learned from all these patients, so a comparison on them favours it.")
        known, fresh = [], groups.seen
    sides = dict.fromkeys((member.id for member in groups.held), "test")
    shares = SHARES if _number(fresh) >= 3 else (1.0, 0.0, 0.0)
    if _number(fresh) in (1, 2) and known and not groups.held:
        shares = (0.0, 0.0, 1.0) if _number(fresh) == 1 else (0.5, 0.0, 0.5)
    if fresh:
        sides |= _shared_out(fresh, shares, seed)
    if known:
        sides |= _shared_out(known, (0.75, 0.25, 0.0) if _number(known) >= 4 else (1.0, 0.0, 0.0), seed)
    _fill_validation(members, sides)
    return sides, warnings


def _shared_out(members: Sequence[_Member], shares: Sequence[float], seed: int) -> dict[str, str]:
    if shares[0] == 0:
        return dict.fromkeys((member.id for member in members), "test")
    part = split_by_patient(members, shares, seed)
    return {id_: side for side, ids in part.sides.items() for id_ in ids}


def _fill_validation(members: Sequence[_Member], sides: dict[str, str]) -> None:
    """Give train and validation a group each if they have none: from train, then from what was held out."""
    for needy, donor in (("train", "test"), ("validation", "train"), ("validation", "test")):
        if needy in sides.values():
            continue
        tiles = defaultdict(list)
        for member in members:
            if sides[member.id] == donor:
                tiles[member.patient].append(member.id)
        if len(tiles) > (1 if needy == "validation" and donor == "train" else 0):
            smallest = min(tiles, key=lambda name: (len(tiles[name]), name))
            sides |= dict.fromkeys(tiles[smallest], needy)


def _by_history(members: Sequence[_Member], base: ModelSpec) -> _Groups:
    """What the base model, or any model before it, has to do with them; a group is what any of its patients is."""
    compared, learned = patients_of(base, "test"), taught_by(base)
    groups = _Groups()
    for member in members:
        names = frozenset(map(bare_patient, member.patients))
        bin_ = groups.seen if names & learned else groups.held if names & compared else groups.free
        bin_.append(member)
    return groups


def _number(members: Iterable[Splittable]) -> int:
    return len({member.patient for member in members})


def _split(seed: int, members: Sequence[_Member], sides: Mapping[str, str]) -> Split:
    ids = {side: tuple(sorted(id_ for id_, where in sides.items() if where == side)) for side in SUBSETS}
    stratum = {member.id: member.stratum for member in members}
    counts = {side: dict(sorted(Counter(stratum[id_] for id_ in ids[side]).items())) for side in SUBSETS}
    return Split(seed=seed, unit="patient", counts=counts, **ids)  # type: ignore[arg-type]


def _counts(tiles: Sequence[Tile], sides: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    names = {"train": "train", "validation": "validation", "test": "held_out"}
    result = {}
    for side, name in names.items():
        members = [tile for tile in tiles if sides[tile.id] == side]
        result[name] = (len(members), _number(members))
    return result
