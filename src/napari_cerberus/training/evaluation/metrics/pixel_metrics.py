"""Pixel figures: Dice, Jaccard, conformity coefficient, precision, recall (Shi et al. 2023, EBHI-Seg).

============  ==============================  =============================================
figure        formula                         not counted (NaN) where
============  ==============================  =============================================
Dice          2 TP / (2 TP + FP + FN)         nothing is drawn and nothing is predicted
Jaccard       TP / (TP + FP + FN)             nothing is drawn and nothing is predicted
conformity    1 - (FP + FN) / TP              TP = 0; with FP + FN > 0 it is a **failure**
precision     TP / (TP + FP)                  nothing is predicted
recall        TP / (TP + FN)                  nothing is drawn
============  ==============================  =============================================

A tile with objects where nothing is found has Dice, Jaccard and recall 0; they count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .tile_sums import Values, ratio, require_same_shape


def dice(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike) -> Values:
    """2 TP / (2 TP + FP + FN)."""
    tp, fp, fn = _floats(tp, fp, fn)
    return ratio(2 * tp, 2 * tp + fp + fn)


def jaccard(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike) -> Values:
    """TP / (TP + FP + FN)."""
    tp, fp, fn = _floats(tp, fp, fn)
    return ratio(tp, tp + fp + fn)


def precision(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike) -> Values:
    """TP / (TP + FP)."""
    tp, fp, _ = _floats(tp, fp, fn)
    return ratio(tp, tp + fp)


def recall(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike) -> Values:
    """TP / (TP + FN)."""
    tp, _, fn = _floats(tp, fp, fn)
    return ratio(tp, tp + fn)


def conformity(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike) -> Values:
    """1 - (FP + FN) / TP, from 1 down without end; NaN where TP = 0: ``conformity_state`` says what that means."""
    tp, fp, fn = _floats(tp, fp, fn)
    return 1.0 - ratio(fp + fn, tp)


PIXEL_FORMULAS = {
    "dice": dice,
    "jaccard": jaccard,
    "conformity": conformity,
    "precision": precision,
    "recall": recall,
}
"""By key, in the order of the published tables."""

ConformityState = Literal["number", "failure", "empty"]


@dataclass(frozen=True, slots=True)
class PixelSums:
    """Pixels of one comparison: true positives, false positives, false negatives."""

    tp: int
    fp: int
    fn: int

    def sums(self) -> dict[str, float]:
        """By name, for adding up."""
        return {"tp": float(self.tp), "fp": float(self.fp), "fn": float(self.fn)}

    def metrics(self) -> dict[str, float]:
        """Every figure by key; NaN where it does not count."""
        return {key: float(formula(self.tp, self.fp, self.fn)) for key, formula in PIXEL_FORMULAS.items()}

    @property
    def conformity_state(self) -> ConformityState:
        """Whether the conformity coefficient is a number, a failure (TP = 0), or has nothing to speak of."""
        if self.tp:
            return "number"
        return "failure" if self.fp + self.fn else "empty"


def compare_pixels(truth: NDArray[Any], predicted: NDArray[Any]) -> PixelSums:
    """Compare two label images; every id above 0 is foreground.

    Parameters
    ----------
    truth, predicted : (H, W) bool or integer arrays

    Raises
    ------
    DataError
        If the sizes differ.
    """
    require_same_shape(truth, predicted)
    drawn, found = truth > 0, predicted > 0
    tp = int(np.count_nonzero(drawn & found))
    return PixelSums(tp, int(np.count_nonzero(found)) - tp, int(np.count_nonzero(drawn)) - tp)


def _floats(*values: ArrayLike) -> tuple[Values, ...]:
    return tuple(np.asarray(value, np.float64) for value in values)
