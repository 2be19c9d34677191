"""A re-run keeps what the user did, object by object.

Three label maps meet: what the model gave last, what the user made of it, and what the model gives now. Objects that
nobody touched take the new result; edited, accepted and rejected ones stay to the pixel, and what the user deleted
stays away. Labels are on the image's own grid, so model and pixel size may change between the runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from skimage.measure import label as label_parts

from ..errors import DataError, SettingsError
from .edits import ChangeSet, difference
from .edits.window import free_ids
from .frame import Region
from .label_maps import IntArray, Labels, Overlaps, compact, overlaps, present_ids, same_pixels
from .object_columns import CELLS, DECIDED, with_review
from .object_table import measure, rows_with
from .review.findings import DISAGREEMENT, NAMES, as_findings

_MATCH_IOU = 0.5
"""Above this at most one object of each map matches one of the other (Kirillov et al. 2019)."""


@dataclass(frozen=True, kw_only=True)
class MergeSettings:
    """What happens to a new object that lies partly on kept ones, by the share of it that does.

    Attributes
    ----------
    clip_up_to : float
        Up to this share its overlapping pixels are cut off; above it, the object is dropped.
    same_from : float
        From this share it is the same object as the kept one, so dropping it is no conflict.
    deleted_from : float
        From this share inside a deleted object it stays away.
    """

    clip_up_to: float = 0.25
    same_from: float = 0.75
    deleted_from: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.clip_up_to < self.same_from <= 1 or not 0 < self.deleted_from <= 1:
            raise SettingsError("Merging needs 0 <= clip_up_to < same_from <= 1 and 0 < deleted_from <= 1.")


@dataclass(frozen=True, kw_only=True, eq=False)
class Rerun:
    """One task's material for a merge.

    Attributes
    ----------
    task : str
    last, current, new : (H, W) integer arrays
        The model's last result, the layer as it is, the model's new result. Ids of ``last`` and ``current``
        correspond; those of ``new`` are its own.
    objects, new_objects : DataFrame
        Tables of ``current`` and ``new`` (``table.COLUMNS``; the second needs no review columns).
    pixel_size_um : float
        Of the image.
    region : Region or None
        Where the model ran, in pixels of these maps; nothing outside it changes. Maps of different regions are
        brought to one grid by ``frame.placed`` first.
    finished : (H, W) bool array or None
        What a person called right: its objects stay, whole, and no new one comes into it.
    first_new_id : int or None
        Ids from here on are free, as of ``TrackedLabels.next_id``.
    """

    task: str
    last: Labels
    current: Labels
    new: Labels
    objects: pd.DataFrame
    new_objects: pd.DataFrame
    pixel_size_um: float
    region: Region | None = None
    finished: NDArray[np.bool_] | None = None
    first_new_id: int | None = None

    def __post_init__(self) -> None:
        if not self.last.shape == self.current.shape == self.new.shape:
            raise DataError(f"The {self.task} layer and the new result have different sizes; annotate again.")


@dataclass(frozen=True, kw_only=True)
class MergeCounts:
    """The preview of a merge. As text, one line for the user."""

    replaced: int
    taken: int
    clipped: int
    kept: int
    dropped: int
    stay_deleted: int
    conflicts: int

    def __str__(self) -> str:
        parts = [f"{self.taken:,} objects from the new result replace {self.replaced:,} untouched ones"]
        parts.append(f"{self.kept:,} of yours stay")
        if self.clipped:
            parts.append(f"{self.clipped:,} cut to fit")
        if self.stay_deleted:
            parts.append(f"{self.stay_deleted:,} stay deleted")
        if self.conflicts:
            parts.append(f"{self.conflicts:,} to decide")
        return ", ".join(parts) + "."


@dataclass(frozen=True, kw_only=True, eq=False)
class MergeResult:
    """What a merge would do; nothing is written.

    Attributes
    ----------
    change : ChangeSet
        Turns ``current`` into the merged labels: one change set, one undo.
    objects : DataFrame
        The merged table.
    model_labels : (H, W) integer array
        What counts as the model's last result from now on.
    conflicts : DataFrame
        Findings about kept objects that the new result contradicts.
    counts : MergeCounts
    """

    change: ChangeSet
    objects: pd.DataFrame
    model_labels: Labels
    conflicts: pd.DataFrame
    counts: MergeCounts


def merge(rerun: Rerun, settings: MergeSettings | None = None) -> MergeResult:
    """Merge a new result into a corrected layer.

    Raises
    ------
    EditError
        If the layer's number type has no room for the new ids.
    """
    chosen = settings or MergeSettings()
    sides = _sides(rerun)
    kept = np.where(np.isin(rerun.current, sides.kept), rerun.current, 0)
    taken = _taken_up(rerun, kept)
    fates = _fates(rerun, taken, chosen)
    fitted = _fitted(fates, taken)
    sources, ids = _numbered(fitted, rerun, sides.replaced)
    placed = np.concatenate([[0], ids])[compact(fitted)[1]].astype(rerun.current.dtype)
    merged = np.where(placed > 0, placed, kept).astype(rerun.current.dtype)
    model_labels = np.where(np.isin(rerun.last, sides.replaced), 0, rerun.last)
    conflicts = _conflicts(rerun.task, fates, sides.by_hand, chosen)
    return MergeResult(
        change=difference(rerun.current, merged, f"Merged the new result into {rerun.task}"),
        objects=_table(rerun, merged, sources, ids),
        model_labels=np.where(placed > 0, placed, model_labels).astype(rerun.current.dtype),
        conflicts=conflicts,
        counts=MergeCounts(
            replaced=sides.replaced.size,
            taken=sources.size,
            clipped=int(np.count_nonzero(fates.taken & (fates.covered > 0))),
            kept=sides.by_hand.size + sides.finished.size,
            dropped=int(np.count_nonzero(fates.dropped)),
            stay_deleted=int(np.count_nonzero(fates.away)),
            conflicts=len(conflicts),
        ),
    )


@dataclass(frozen=True, kw_only=True)
class _Sides:
    """Ids of the current layer: those that make room, those that stay; of these the user's own and the finished."""

    replaced: IntArray
    kept: IntArray
    by_hand: IntArray
    finished: IntArray


def _sides(rerun: Rerun) -> _Sides:
    ids = present_ids(rerun.current)
    states = rerun.objects.set_index("index")["state"].reindex(ids)
    by_hand = states.isin(DECIDED).to_numpy() | ~same_pixels(rerun.current, rerun.last, ids)
    finished = np.isin(ids, rerun.current[rerun.finished]) if rerun.finished is not None else np.zeros_like(by_hand)
    outside = np.isin(ids, rerun.current[~_in_region(rerun)])
    stays = by_hand | outside | finished
    own = by_hand & ~finished
    return _Sides(replaced=ids[~stays], kept=ids[stays], by_hand=ids[own], finished=ids[finished])


def _taken_up(rerun: Rerun, kept: Labels) -> Labels:
    """Kept objects, and finished background as an object of its own that nothing may lie on."""
    if rerun.finished is None or not rerun.finished.any():
        return kept
    wide = kept.astype(np.int64)
    return np.where(rerun.finished & (wide <= 0), wide.max(initial=0) + 1, wide)


def _in_region(rerun: Rerun) -> NDArray[np.bool_]:
    height, width = rerun.current.shape[0], rerun.current.shape[1]
    inside = np.zeros((height, width), dtype=bool)
    top, left, bottom, right = rerun.region or (0, 0, height, width)
    inside[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = True
    return inside


@dataclass(frozen=True, kw_only=True, eq=False)
class _Fates:
    """What becomes of the new objects; arrays follow ``shared.ids_a``."""

    labels: Labels
    shared: Overlaps
    covered: NDArray[np.float64]
    away: NDArray[np.bool_]
    dropped: NDArray[np.bool_]
    taken: NDArray[np.bool_]


def _fates(rerun: Rerun, kept: Labels, settings: MergeSettings) -> _Fates:
    labels = np.where(_in_region(rerun), rerun.new, 0)
    shared = overlaps(labels, kept)
    covered = np.bincount(shared.pairs[:, 0], shared.shared, shared.ids_a.size) / shared.areas_a
    deleted_ids = np.setdiff1d(present_ids(rerun.last), present_ids(rerun.current))
    deleted = np.isin(rerun.last, deleted_ids) & (rerun.current <= 0)
    in_deleted = np.bincount(compact(labels)[1][deleted], minlength=shared.ids_a.size + 1)[1:] / shared.areas_a
    away = in_deleted >= settings.deleted_from
    dropped = ~away & (covered > settings.clip_up_to)
    return _Fates(labels=labels, shared=shared, covered=covered, away=away, dropped=dropped, taken=~away & ~dropped)


def _fitted(fates: _Fates, kept: Labels) -> Labels:
    """The taken objects on the pixels that are free; of one that a cut divides, the largest piece."""
    ids = fates.shared.ids_a
    fitted = np.where(np.isin(fates.labels, ids[fates.taken]) & (kept <= 0), fates.labels, 0)
    clipped = np.where(np.isin(fitted, ids[fates.taken & (fates.covered > 0)]), fitted, 0)
    pieces, count = label_parts(clipped, background=0, connectivity=2, return_num=True)
    owners = np.zeros(count + 1, dtype=np.int64)
    owners[pieces.ravel()] = clipped.ravel()
    by_size = np.argsort(-np.bincount(pieces.ravel())[1:], kind="stable") + 1
    _, first = np.unique(owners[by_size], return_index=True)
    crumb = np.ones(count + 1, dtype=bool)
    crumb[[0, *by_size[first]]] = False
    return np.where(crumb[pieces], 0, fitted)


def _numbered(fitted: Labels, rerun: Rerun, replaced: IntArray) -> tuple[IntArray, IntArray]:
    """Ids of the taken objects in the new result and in the merged layer.

    An object that matches a replaced one takes over its id, so colours stay; others get ids that were never used.
    """
    matches = overlaps(fitted, np.where(np.isin(rerun.current, replaced), rerun.current, 0))
    pairs = matches.pairs[matches.iou > _MATCH_IOU]
    ids = np.zeros(matches.ids_a.size, dtype=np.int64)
    ids[pairs[:, 0]] = matches.ids_b[pairs[:, 1]]
    used = (rerun.last.max(initial=0), rerun.current.max(initial=0), rerun.objects["index"].max(), 0)
    first = rerun.first_new_id or int(np.nanmax(np.array(used, dtype=np.float64))) + 1
    ids[ids == 0] = free_ids(rerun.current, int(np.count_nonzero(ids == 0)), first)
    return matches.ids_a, ids


def _table(rerun: Rerun, merged: Labels, sources: IntArray, ids: IntArray) -> pd.DataFrame:
    """Rows of kept objects as they were, of taken ones from the new table; all measured anew."""
    taken = with_review(rerun.new_objects).set_index("index").reindex(sources)[list(CELLS)]
    taken.index = pd.Index(ids)
    kept = rerun.objects.set_index("index")[list(CELLS)]
    cells = pd.concat([taken, kept[~kept.index.isin(ids)]])
    geometry = measure(merged, rerun.pixel_size_um)
    return rows_with(rerun.task, geometry, cells)


def _conflicts(task: str, fates: _Fates, by_hand: IntArray, settings: MergeSettings) -> pd.DataFrame:
    shared = fates.shared
    new, old = shared.pairs.T
    yours = np.isin(shared.ids_b[old], by_hand)
    crossing = fates.dropped[new] & (fates.covered[new] < settings.same_from)
    around = fates.taken[new] & (shared.share_of_b >= settings.same_from)
    name = NAMES.get(task, "Object")
    reasons: dict[int, str] = {}
    for index, share in zip(shared.ids_b[old[yours & crossing]], shared.share_of_a[yours & crossing], strict=True):
        found = f"the new result has another here, {share:.0%} of it inside"
        reasons[int(index)] = f"{name} {index} stays as you left it; {found}."
    for index in shared.ids_b[old[yours & around]]:
        reasons[int(index)] = f"{name} {index} stays as you left it; the new result has a larger one around it."
    return as_findings([(task, index, DISAGREEMENT, reason) for index, reason in sorted(reasons.items())])
