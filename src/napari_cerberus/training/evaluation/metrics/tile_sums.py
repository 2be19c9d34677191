"""Arithmetic shared by all figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ....errors import DataError

Values = NDArray[np.float64]
"""One value, or one for each of any number of leading dimensions (patients, bootstrap samples)."""

Sums = Mapping[str, Values]


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> Values:
    """Quotient; NaN, "not counted", where the denominator is 0."""
    above, below = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    empty = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    return np.asarray(np.divide(above, below, out=empty, where=below != 0))


def tile_means(values: Mapping[str, float]) -> dict[str, float]:
    """Sums from which means over tiles are worked out.

    Parameters
    ----------
    values : mapping of figure to value
        Of one tile; NaN where the figure does not count.

    Returns
    -------
    mapping
        ``<figure>_sum`` and ``<figure>_tiles``, the number of tiles it counts in (0 or 1).
    """
    sums = {}
    for key, value in values.items():
        counts = not np.isnan(value)
        sums[f"{key}_sum"], sums[f"{key}_tiles"] = (float(value), 1.0) if counts else (0.0, 0.0)
    return sums


def mean_over_tiles(key: str, sums: Sums) -> Values:
    """Mean of a figure over the tiles it counts in, from the added sums of ``tile_means``."""
    return ratio(sums[f"{key}_sum"], sums[f"{key}_tiles"])


def require_same_shape(truth: NDArray[Any], predicted: NDArray[Any]) -> None:
    """Raises ``DataError`` where two label images differ in size."""
    if truth.shape != predicted.shape:
        raise DataError(
            f"The labels are {_size(truth)} px but the prediction is {_size(predicted)} px; "
            "the label image must have the size of its tile."
        )


def _size(array: NDArray[Any]) -> str:
    return " × ".join(str(side) for side in array.shape[::-1])
