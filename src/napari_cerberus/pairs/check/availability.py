"""A split on a computer that lacks some of its tiles, or has others: what is left of it, and what is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from ..split import SUBSETS, Split, Splittable
from ..words import counted

MOST_MISSING = 0.05
"""Share of a split's tiles that may be missing; with more it is most likely the split of other data."""


def present(split: Split, records: Iterable[Splittable]) -> tuple[Split, tuple[str, ...]]:
    """The split without tiles that are not there, and sentences on those and on tiles that it does not name.

    Parameters
    ----------
    split : Split
        Comes back as it is if more than a twentieth of its tiles is missing: ``apply_split`` refuses it.
    records : iterable of tiles
    """
    there = {record.id: record.stratum for record in records}
    named = [id_ for ids in split.sides.values() for id_ in ids]
    missing = [id_ for id_ in named if id_ not in there]
    strangers = sorted(there.keys() - set(named))
    if len(missing) > MOST_MISSING * len(named):
        return split, ()
    notes = []
    if missing:
        notes.append(f"{counted(len(missing), 'tile')} of the split left out: not among the data, as {missing[0]!r}.")
    if strangers:
        notes.append(
            f"{counted(len(strangers), 'tile')} left alone: the split does not name them, as {strangers[0]!r}."
        )
    train, validation, test = (tuple(id_ for id_ in ids if id_ in there) for ids in split.sides.values())
    sides = zip(SUBSETS, (train, validation, test), strict=True)
    counts: dict[str, dict[str, int]] = {side: dict(Counter(there[id_] for id_ in ids)) for side, ids in sides}
    left = replace(split, train=train, validation=validation, test=test, counts=counts)
    return (left if missing else split), tuple(notes)
