"""95 % intervals by patient: whole patients are drawn with replacement, and all tiles of a patient stay together.

Tiles of one patient resemble each other, so intervals that draw tiles one by one are too narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from ....errors import SettingsError
from .tile_sums import Sums, Values

Formula = Callable[[Sums], Values]

MIN_PATIENTS = 5
"""With fewer patients no interval is given: it would be far too narrow."""
FEW_PATIENTS = 15
"""With fewer patients the interval is called rough."""
_LEVEL_PERCENT = (2.5, 97.5)
_MOST_UNDEFINED = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A figure with its interval.

    Attributes
    ----------
    value : float or None
        None where the figure is not defined: not counted, or a failure.
    low, high : float or None
        95 % percentile interval; None where there are too few patients.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


class PatientBootstrap:
    """Figures of a group of tiles, with intervals.

    Parameters
    ----------
    rows : sequence of mappings
        The sums of each tile, the same names and shapes in all.
    patients : sequence of str
        Patient of each tile.
    samples, seed : int
        Number of bootstrap samples, and the seed that makes them repeatable.

    Raises
    ------
    SettingsError
        If there are no tiles, or as many patients as tiles are not given.
    """

    def __init__(
        self,
        rows: Sequence[Mapping[str, ArrayLike]],
        patients: Sequence[str],
        *,
        samples: int = 2000,
        seed: int = 0,
    ) -> None:
        if not rows or len(rows) != len(patients) or samples < 1:
            raise SettingsError("A bootstrap needs tiles, a patient for each, and at least one sample.")
        names, place = np.unique(np.asarray(patients), return_inverse=True)
        self.patients = len(names)
        self.tiles = len(rows)
        self._by_patient = {name: _added([row[name] for row in rows], place, len(names)) for name in rows[0]}
        self._drawn = self._draw(samples, seed) if self.patients >= MIN_PATIENTS else None

    @property
    def note(self) -> str:
        """What must be said of the intervals; empty where there are patients enough."""
        if self.patients < MIN_PATIENTS:
            return f"{self.patients} patient{'s' * (self.patients > 1)} only: no interval"
        return f"{self.patients} patients only: a rough interval" if self.patients < FEW_PATIENTS else ""

    @property
    def sums(self) -> dict[str, Values]:
        """Sums over all tiles."""
        return {name: values.sum(axis=0) for name, values in self._by_patient.items()}

    def estimate(self, formula: Formula, *, percent: tuple[float, float] = _LEVEL_PERCENT) -> Estimate:
        """A figure and its interval, between two percentiles of the samples.

        Samples in which the figure is not defined are left out; where they are more than a fifth no interval is given.
        """
        value = _number(float(formula(self.sums)))
        if self._drawn is None or value is None:
            return Estimate(value=value)
        drawn = formula(self._drawn)
        defined = drawn[~np.isnan(drawn)]
        if len(defined) < (1 - _MOST_UNDEFINED) * len(drawn):
            return Estimate(value=value)
        low, high = np.percentile(defined, percent)
        return Estimate(value=value, low=float(low), high=float(high))

    def spread(self, formula: Formula) -> float | None:
        """Standard deviation between patients of a figure, from its jackknife pseudo-values (Tukey 1958).

        For a mean over patients with as many tiles each, this is the standard deviation of the patients' means. None
        with one patient, or where the figure is not defined without some patient.
        """
        if self.patients < 2:
            return None
        total = self.sums
        left_out = formula({name: total[name] - values for name, values in self._by_patient.items()})
        pseudo = self.patients * formula(total) - (self.patients - 1) * left_out
        return _number(float(np.std(pseudo, ddof=1)))

    def _draw(self, samples: int, seed: int) -> dict[str, Values]:
        rng = np.random.default_rng(seed)
        times = rng.multinomial(self.patients, np.full(self.patients, 1 / self.patients), size=samples)
        times = times.astype(np.float64)  # once: a product of whole and floating numbers would convert it each time
        return {name: np.tensordot(times, values, axes=1) for name, values in self._by_patient.items()}


def expanded_percent(patients: int, error: float = 0.05) -> tuple[float, float]:
    """Percentiles for few patients, set apart so far that the interval of a mean has the width of Student's.

    Plain percentiles are too narrow with few patients (Hesterberg 2015, The American Statistician 69:371). With many
    patients the result is ``100 * (error / 2, 1 - error / 2)``.
    """
    if patients < 2:
        return 0.0, 100.0
    wide = np.sqrt(patients / (patients - 1)) * stats.t.ppf(error / 2, patients - 1)
    low = 100 * float(stats.norm.cdf(wide))
    return low, 100 - low


def _added(values: Sequence[ArrayLike], place: NDArray[np.intp], count: int) -> Values:
    """Sums by patient, (patients, ...)."""
    each = np.stack([np.asarray(value, np.float64) for value in values])
    total = np.zeros((count, *each.shape[1:]))
    np.add.at(total, place, each)
    return total


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
