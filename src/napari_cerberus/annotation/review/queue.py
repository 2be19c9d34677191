"""The review queue: which object to look at next, and how far the review has come."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...tasks import GLANDS, LUMINA, NUCLEI
from ..object_columns import ACCEPTED, EDITED, REJECTED, SKIPPED, UNREVIEWED

Key = tuple[str, int]
"""Task and id of an object."""

CRUMBS_UM2 = {NUCLEI: 12.0, GLANDS: 500.0, LUMINA: 40.0}
"""Objects below this are crumbs: a fragment of a nucleus, a sliver of a gland, a gap."""
_WORTH = (GLANDS, LUMINA, NUCLEI)
"""What a correction is worth: one gland changes more than many nuclei, and a crumb hardly anything."""
UNKNOWN_CONFIDENCE = 0.5
"""Stands in for the confidence of objects that no model made."""


def attach(objects: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    """A copy of the table with columns ``rules``, ``reasons`` and ``priority``.

    ``priority`` is the chance that the object is wrong if its confidence and its findings were independent:
    1 − confidence · Π (1 − severity). 1 is the most urgent.
    """
    keys = ["task", "index"]
    doubts = findings.assign(doubt=np.log1p(-findings["severity"]))
    grouped = doubts.groupby(keys, sort=False).agg(
        rules=("rule", ", ".join), reasons=("reason", " ".join), doubt=("doubt", "sum")
    )
    result = objects.drop(columns=["rules", "reasons", "priority"], errors="ignore").join(grouped, on=keys)
    confidence = result["confidence"].fillna(UNKNOWN_CONFIDENCE)
    priority = 1 - confidence * np.exp(result["doubt"].astype("float64").fillna(0.0))
    texts = {name: result[name].fillna("").astype("object") for name in ("rules", "reasons")}
    return result.drop(columns="doubt").assign(**texts, priority=priority)


@dataclass(frozen=True, kw_only=True)
class ReviewFilter:
    """Which objects to look at; an empty collection means all.

    Attributes
    ----------
    tasks, classes, states : collections of str
    rules : collection of str
        Objects with at least one of these findings.
    """

    tasks: Collection[str] = ()
    classes: Collection[str] = ()
    states: Collection[str] = ()
    rules: Collection[str] = ()

    def matches(self, objects: pd.DataFrame) -> NDArray[np.bool_]:
        """Which rows of a table from ``attach`` pass, (n,) bool."""
        passes = np.ones(len(objects), dtype=bool)
        for column, allowed in (("task", self.tasks), ("class", self.classes), ("state", self.states)):
            if allowed:
                passes &= objects[column].isin(list(allowed)).to_numpy()
        if self.rules:
            has = [objects["rules"].str.contains(rule, regex=False).to_numpy(dtype=bool) for rule in self.rules]
            passes &= np.logical_or.reduce(has)
        return passes


def queue(objects: pd.DataFrame, chosen: ReviewFilter | None = None) -> pd.DataFrame:
    """Rows of a table from ``attach`` in the order of review.

    Glands come before lumina, nuclei and at last crumbs (``CRUMBS_UM2``), as a correction is worth less and less; among
    equals the highest priority comes first. Reviewed objects keep their place, so ``step`` can go back to them.
    """
    passing = objects[(chosen or ReviewFilter()).matches(objects)]
    crumb = passing["area_um2"] < passing["task"].map(CRUMBS_UM2).fillna(0.0)
    rank = passing["task"].map({task: place for place, task in enumerate(_WORTH)}).fillna(len(_WORTH))
    ranked = passing.assign(rank=rank.where(~crumb, len(_WORTH) + 1))
    ordered = ranked.sort_values(
        ["rank", "priority", "task", "index"], ascending=[True, False, True, True], kind="stable", ignore_index=True
    )
    return ordered.drop(columns="rank")


def step(queued: pd.DataFrame, current: Key | None, forward: bool = True) -> Key | None:
    """The object to show next.

    Forward goes to the next unreviewed object, round the end of the queue; when none is left, to the skipped ones.
    Backward goes to the object just before, whatever its state, so that a slip can be mended.

    Parameters
    ----------
    queued : DataFrame
        From ``queue``.
    current : Key or None
        Where the review stands; None, or an object that is not in the queue: at its beginning.

    Returns
    -------
    Key or None
        None where nothing is left to review, or nothing is before the current object.
    """
    position = _position(queued, current)
    if not forward:
        return _key(queued, position - 1) if position > 0 else None
    states = queued["state"].to_numpy()
    for wanted in (UNREVIEWED, SKIPPED):
        places = np.flatnonzero(states == wanted)
        places = places[places != position]
        if places.size:
            after = places[places > position]
            return _key(queued, int(after[0] if after.size else places[0]))
    return None


def nearest(queued: pd.DataFrame, current: Key | None, point: tuple[float, float]) -> Key | None:
    """The unreviewed object, and when none is left the skipped one, whose centre lies nearest to a point in pixels.

    Returns
    -------
    Key or None
        None where nothing but ``current`` is left to review.
    """
    is_current = np.arange(len(queued)) == _position(queued, current)
    centres = queued[["centroid_y_px", "centroid_x_px"]].to_numpy(dtype=np.float64)
    away = np.hypot(*(centres - point).T)
    for wanted in (UNREVIEWED, SKIPPED):
        open_ = (queued["state"] == wanted).to_numpy() & ~is_current
        if open_.any():
            return _key(queued, int(np.where(open_, away, np.inf).argmin()))
    return None


def _position(queued: pd.DataFrame, current: Key | None) -> int:
    if current is None:
        return -1
    found = np.flatnonzero((queued["task"] == current[0]) & (queued["index"] == current[1]))
    return int(found[0]) if found.size else -1


def _key(queued: pd.DataFrame, position: int) -> Key:
    row = queued.iloc[position]
    return str(row["task"]), int(row["index"])


@dataclass(frozen=True, kw_only=True)
class ReviewCount:
    """How far a review has come. As text: "37 of 212 reviewed"."""

    total: int
    accepted: int
    rejected: int
    edited: int
    skipped: int

    @property
    def reviewed(self) -> int:
        """Objects with a decision; skipped ones are still open."""
        return self.accepted + self.rejected + self.edited

    @property
    def fraction(self) -> float:
        """Share reviewed, 0..1; 1 where there is nothing to review."""
        return self.reviewed / self.total if self.total else 1.0

    def __str__(self) -> str:
        return f"{self.reviewed:,} of {self.total:,} reviewed"


def count(objects: pd.DataFrame) -> ReviewCount:
    """Count the states of a table or a queue."""
    states = objects["state"].value_counts()
    names = (ACCEPTED, REJECTED, EDITED, SKIPPED)
    accepted, rejected, edited, skipped = (int(states.get(name, 0)) for name in names)
    return ReviewCount(total=len(objects), accepted=accepted, rejected=rejected, edited=edited, skipped=skipped)
