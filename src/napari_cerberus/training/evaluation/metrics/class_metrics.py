"""Class figures: accuracy, balanced accuracy, macro F1, confusion matrix, expected calibration error.

- **Balanced accuracy**: mean recall over the classes that occur in the truth.
- **Macro F1**: mean F1 over the classes that occur in the truth or among the answers.
- **ECE** (Guo et al. 2017): answers are binned by the probability of the class they name, in 15 bins of equal width;
  mean over bins, weighted by their answers, of |share of right answers - mean probability|.

Nothing counted: NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ....errors import DataError
from .tile_sums import Sums, Values, ratio

ECE_BINS = 15


def class_sums(truth: int, probabilities: Sequence[float]) -> dict[str, NDArray[np.float64]]:
    """What one answer adds.

    Parameters
    ----------
    truth : int
        Index of the right class.
    probabilities : sequence of float
        One for each class, summing to 1; the answer is the first of the largest.

    Returns
    -------
    mapping with
        ``confusion`` (classes, classes), rows = truth; ``bin_count``, ``bin_right``, ``bin_probability`` (15,);
        ``log_loss`` ().

    Raises
    ------
    DataError
        If the right class is not among the probabilities.
    """
    shares = np.asarray(probabilities, np.float64)
    if not 0 <= truth < len(shares):
        raise DataError(f"Class {truth} is not among the {len(shares)} that were predicted.")
    answer = int(shares.argmax())
    confusion = np.zeros((len(shares), len(shares)))
    confusion[truth, answer] = 1.0
    place = min(int(shares[answer] * ECE_BINS), ECE_BINS - 1)
    count = np.zeros(ECE_BINS)
    count[place] = 1.0
    return {
        "confusion": confusion,
        "bin_count": count,
        "bin_right": count * (answer == truth),
        "bin_probability": count * shares[answer],
        "log_loss": np.asarray(-np.log(max(shares[truth], 1e-12))),
    }


def accuracy(sums: Sums) -> Values:
    """Share of right answers; ``confusion`` is (..., classes, classes)."""
    confusion = sums["confusion"]
    return ratio(np.trace(confusion, axis1=-2, axis2=-1), confusion.sum((-2, -1)))


def balanced_accuracy(sums: Sums) -> Values:
    """Mean recall over the classes that occur."""
    return _mean_of_counted(class_recall(sums))


def macro_f1(sums: Sums) -> Values:
    """Mean F1 over the classes that occur in truth or answers."""
    return _mean_of_counted(class_f1(sums))


def class_recall(sums: Sums) -> Values:
    """Recall of each class, (..., classes)."""
    return ratio(_diagonal(sums), sums["confusion"].sum(-1))


def class_precision(sums: Sums) -> Values:
    """Precision of each class, (..., classes)."""
    return ratio(_diagonal(sums), sums["confusion"].sum(-2))


def class_f1(sums: Sums) -> Values:
    """F1 of each class, (..., classes)."""
    return ratio(2 * _diagonal(sums), sums["confusion"].sum(-1) + sums["confusion"].sum(-2))


def ece(sums: Sums) -> Values:
    """Expected calibration error."""
    return ratio(np.abs(sums["bin_right"] - sums["bin_probability"]).sum(-1), sums["bin_count"].sum(-1))


def mean_log_loss(sums: Sums) -> Values:
    """Mean negative log-likelihood of the right class, in nats."""
    return ratio(sums["log_loss"], sums["bin_count"].sum(-1))


CLASS_FORMULAS = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "ece": ece,
    "log_loss": mean_log_loss,
}


def reliability(sums: Sums) -> list[dict[str, float]]:
    """The reliability curve: for each bin that holds answers its edges, count, mean probability and share right."""
    edges = np.linspace(0.0, 1.0, ECE_BINS + 1)
    return [
        {
            "low": float(edges[place]),
            "high": float(edges[place + 1]),
            "count": float(count),
            "probability": float(sums["bin_probability"][place] / count),
            "right": float(sums["bin_right"][place] / count),
        }
        for place, count in enumerate(sums["bin_count"])
        if count > 0
    ]


def _diagonal(sums: Sums) -> NDArray[Any]:
    return np.diagonal(sums["confusion"], axis1=-2, axis2=-1)


def _mean_of_counted(values: ArrayLike) -> Values:
    each = np.asarray(values, np.float64)
    counted = ~np.isnan(each)
    return ratio(np.where(counted, each, 0.0).sum(-1), counted.sum(-1))
