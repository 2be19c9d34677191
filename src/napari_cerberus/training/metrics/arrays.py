"""Arithmetic shared by all figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import DataError

Values = NDArray[np.float64]
"""One value, or one for each of any number of leading dimensions (patients, bootstrap samples)."""

Sums = Mapping[str, Values]


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> Values:
    """Quotient; NaN, "not counted", where the denominator is 0."""
    above, below = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    empty = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    return np.asarray(np.divide(above, below, out=empty, where=below != 0))


def require_same_shape(truth: NDArray[Any], predicted: NDArray[Any]) -> None:
    """Raises ``DataError`` where two label images differ in size."""
    if truth.shape != predicted.shape:
        raise DataError(
            f"The labels are {_size(truth)} px but the prediction is {_size(predicted)} px; "
            "the label image must have the size of its tile."
        )


def _size(array: NDArray[Any]) -> str:
    return " × ".join(str(side) for side in array.shape[::-1])
