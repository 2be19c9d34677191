"""Object figures: F1 and PQ at IoU 0.5, aggregated Jaccard index, object Dice.

- A drawn and a predicted object **match** where IoU > 0.5, strictly: then no object has two partners (Kirillov et al.
  2019, Panoptic segmentation). TP matched pairs, FP predicted objects without, FN drawn objects without a partner.
- **F1** = TP / (TP + FP/2 + FN/2); this is also PQ's detection quality DQ. **SQ** = mean IoU of the matched pairs,
  **PQ** = DQ · SQ.
- **AJI** (Kumar et al. 2017, IEEE TMI): every drawn object takes the predicted one of largest IoU (the lower id where
  two are equal; one predicted object may serve several, as in the paper); sum of the intersections over sum of the
  unions plus the area of all predicted objects that serve none.
- **Object Dice** (Sirinukunwattana et al. 2017, GlaS): every object's Dice with the one it overlaps most, weighted by
  area, from both sides, averaged.

Where nothing is drawn and nothing predicted no figure counts (NaN). Where only one side is empty all are 0, but SQ,
which needs a match. An object is all pixels of one id, connected or not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ....errors import DataError
from .tile_sums import Sums, Values, ratio, require_same_shape

MATCH_IOU = 0.5


@dataclass(frozen=True, slots=True)
class ObjectSums:
    """What is added up over tiles.

    Attributes
    ----------
    matched, extra, missed : int
        TP, FP and FN.
    iou_sum : float
        Of the matched pairs.
    aji_intersection, aji_union : float
        Pixels.
    drawn_dice, drawn_area, predicted_dice, predicted_area : float
        Area-weighted Dice and area, in pixels, of the drawn and the predicted objects.
    """

    matched: int
    extra: int
    missed: int
    iou_sum: float
    aji_intersection: float
    aji_union: float
    drawn_dice: float
    drawn_area: float
    predicted_dice: float
    predicted_area: float

    def sums(self) -> dict[str, float]:
        """By name, for adding up."""
        return {name: float(value) for name, value in asdict(self).items()}

    def metrics(self) -> dict[str, float]:
        """Every figure by key; NaN where it does not count."""
        sums = {name: np.asarray(value) for name, value in self.sums().items()}
        return {key: float(formula(sums)) for key, formula in OBJECT_FORMULAS.items()}


@dataclass(frozen=True, slots=True)
class Overlaps:
    """Every pair of a drawn and a predicted object that share pixels.

    Attributes
    ----------
    drawn, predicted : (n,) int64 arrays
        0-based numbers of the objects, in order of their ids.
    shared : (n,) float64 array
        Common pixels.
    drawn_areas, predicted_areas : float64 arrays
        Pixels of every object, with or without a partner.
    """

    drawn: NDArray[np.int64]
    predicted: NDArray[np.int64]
    shared: Values
    drawn_areas: Values
    predicted_areas: Values

    @property
    def iou(self) -> Values:
        """Intersection over union of each pair."""
        both = self.drawn_areas[self.drawn] + self.predicted_areas[self.predicted]
        return np.asarray(self.shared / (both - self.shared))

    @property
    def dice(self) -> Values:
        """Dice of each pair."""
        return 2 * self.shared / (self.drawn_areas[self.drawn] + self.predicted_areas[self.predicted])


def overlaps(truth: NDArray[Any], predicted: NDArray[Any]) -> Overlaps:
    """Find all overlapping pairs; work grows with pixels plus pairs, never with objects squared.

    Raises
    ------
    DataError
        If the sizes differ, or a label is negative.
    """
    require_same_shape(truth, predicted)
    drawn, drawn_areas = _numbered(truth)
    found, predicted_areas = _numbered(predicted)
    both = (drawn > 0) & (found > 0)
    rows, columns = drawn[both] - 1, found[both] - 1
    table = sparse.csr_matrix(
        (np.ones(len(rows)), (rows, columns)), shape=(len(drawn_areas), len(predicted_areas))
    ).tocoo()
    return Overlaps(
        drawn=table.row.astype(np.int64),
        predicted=table.col.astype(np.int64),
        shared=table.data,
        drawn_areas=drawn_areas,
        predicted_areas=predicted_areas,
    )


def compare_objects(truth: NDArray[Any], predicted: NDArray[Any]) -> ObjectSums:
    """Compare two instance label images.

    Parameters
    ----------
    truth, predicted : (H, W) integer arrays
        0 = background; ids may have gaps.

    Raises
    ------
    DataError
        If the sizes differ, or a label is negative.
    """
    pairs = overlaps(truth, predicted)
    iou = pairs.iou
    match = iou > MATCH_IOU
    matched = int(match.sum())
    intersection, union = _aji(pairs, iou)
    return ObjectSums(
        matched=matched,
        extra=len(pairs.predicted_areas) - matched,
        missed=len(pairs.drawn_areas) - matched,
        iou_sum=float(iou[match].sum()),
        aji_intersection=intersection,
        aji_union=union,
        drawn_dice=_weighted_dice(pairs, pairs.drawn, pairs.drawn_areas),
        drawn_area=float(pairs.drawn_areas.sum()),
        predicted_dice=_weighted_dice(pairs, pairs.predicted, pairs.predicted_areas),
        predicted_area=float(pairs.predicted_areas.sum()),
    )


def f1(sums: Sums) -> Values:
    """F1 of the matched objects; detection quality DQ."""
    return ratio(sums["matched"], sums["matched"] + (sums["extra"] + sums["missed"]) / 2)


def object_precision(sums: Sums) -> Values:
    """Share of the predicted objects that match a drawn one."""
    return ratio(sums["matched"], sums["matched"] + sums["extra"])


def object_recall(sums: Sums) -> Values:
    """Share of the drawn objects that match a predicted one."""
    return ratio(sums["matched"], sums["matched"] + sums["missed"])


def sq(sums: Sums) -> Values:
    """Segmentation quality: mean IoU of the matched pairs."""
    return ratio(sums["iou_sum"], sums["matched"])


def pq(sums: Sums) -> Values:
    """Panoptic quality, DQ · SQ."""
    return ratio(sums["iou_sum"], sums["matched"] + (sums["extra"] + sums["missed"]) / 2)


def aji(sums: Sums) -> Values:
    """Aggregated Jaccard index."""
    return ratio(sums["aji_intersection"], sums["aji_union"])


def object_dice(sums: Sums) -> Values:
    """Object Dice of GlaS; 0 where only one side has objects."""
    nothing = (sums["drawn_area"] == 0) & (sums["predicted_area"] == 0)
    drawn = np.nan_to_num(ratio(sums["drawn_dice"], sums["drawn_area"]))
    found = np.nan_to_num(ratio(sums["predicted_dice"], sums["predicted_area"]))
    return np.where(nothing, np.nan, (drawn + found) / 2)


OBJECT_FORMULAS: dict[str, Callable[[Sums], Values]] = {
    "f1": f1,
    "object_precision": object_precision,
    "object_recall": object_recall,
    "sq": sq,
    "pq": pq,
    "aji": aji,
    "object_dice": object_dice,
}


def _numbered(labels: NDArray[Any]) -> tuple[NDArray[np.int64], Values]:
    """Labels renumbered 1..n in order of their ids, and the area of each."""
    whole = labels.astype(np.int64, copy=False)
    highest = int(whole.max(initial=0))
    if whole.min(initial=0) < 0:
        raise DataError("A label image holds negative ids; 0 is background and objects are numbered from 1.")
    if highest > whole.size:  # ids with huge gaps: a table of all of them would not fit into memory
        ids, inverse = np.unique(whole, return_inverse=True)
        whole = inverse.reshape(whole.shape) + int(ids[0] > 0)
        highest = int(whole.max(initial=0))
    areas = np.bincount(whole.ravel(), minlength=highest + 1)[1:]
    places = np.concatenate([[0], np.cumsum(areas > 0)])
    return places[whole], areas[areas > 0].astype(np.float64)


def _aji(pairs: Overlaps, iou: Values) -> tuple[float, float]:
    # Best partner first within each drawn object; the lower predicted number wins a tie.
    order = np.lexsort((pairs.predicted, -iou, pairs.drawn))
    first = order[np.concatenate([[True], np.diff(pairs.drawn[order]) > 0])[: len(order)]]
    shared = pairs.shared[first]
    partners = pairs.predicted[first]
    unused = np.ones(len(pairs.predicted_areas), bool)
    unused[partners] = False
    union = pairs.drawn_areas.sum() + pairs.predicted_areas[partners].sum() - shared.sum()
    return float(shared.sum()), float(union + pairs.predicted_areas[unused].sum())


def _weighted_dice(pairs: Overlaps, owner: NDArray[np.int64], areas: Values) -> float:
    """Sum over objects of area × Dice with the partner of largest overlap (the better Dice where two are equal)."""
    dice = pairs.dice
    order = np.lexsort((-dice, -pairs.shared, owner))
    first = order[np.concatenate([[True], np.diff(owner[order]) > 0])[: len(order)]]
    return float((areas[owner[first]] * dice[first]).sum())
