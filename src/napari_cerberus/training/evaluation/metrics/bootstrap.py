"""95 % intervals by patient: whole patients are drawn with replacement, and all tiles of a patient stay together.

Tiles of one patient resemble each other, so intervals that draw tiles one by one are too narrow. Percentiles of the
drawn figures are too narrow as well with few patients, and more so where a few patients differ from all others. So
what is drawn is the figure's distance in standard errors (bootstrap-t, Efron and Tibshirani 1993, chapter 12), kept
between ``_NARROWEST`` and ``_WIDEST`` times Student's, because five patients say little about far tails. Up to
``_SMALL`` patients the tails are cut at 3 % instead of 5 %, with more patients ever closer to 5 %: a small sample
seldom shows how far its tails reach. ``benchmarks/interval_coverage.py`` prints how often the truth lies inside.
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
"""With fewer patients no interval is given: nobody could rely on it."""
FEW_PATIENTS = 15
"""With fewer patients the interval is called rough."""
ERROR = 0.05
_MOST_UNDEFINED = 0.2
_NARROWEST, _WIDEST = 0.95, 3.0
_SMALL, _CUT = 10, 0.4
_FAR = 1e6
_ANY = (-np.inf, np.inf)


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A figure with its interval.

    Attributes
    ----------
    value : float or None
        None where the figure is not defined: not counted, or a failure.
    low, high : float or None
        95 % interval; None where there are too few patients.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """How much a figure owes to single patients.

    Attributes
    ----------
    standard_deviation : float
        Between patients. For a mean over patients with as many tiles each, that of the patients' means.
    standard_error : float
        Of the figure.
    effective_patients : float
        How many patients with as many tiles each would say as much (Kish 1965): 10 patients of whom one brings nearly
        all tiles are hardly more than one.
    """

    standard_deviation: float
    standard_error: float
    effective_patients: float


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
        names, place, tiles = np.unique(np.asarray(patients), return_inverse=True, return_counts=True)
        self.patients = len(names)
        self.tiles = len(rows)
        self.effective_patients = float(tiles.sum() ** 2 / (tiles**2).sum())
        self._by_patient = {name: _added([row[name] for row in rows], place, len(names)) for name in rows[0]}
        self._draws = (samples, seed)
        self._drawn: tuple[NDArray[np.float32], dict[str, Values]] | None = None

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

    def estimate(self, formula: Formula, *, within: tuple[float, float] = _ANY) -> Estimate:
        """A figure and its 95 % interval.

        Samples in which the figure is not defined are left out; where they are more than a fifth, or where the figure
        is not defined without some patient, no interval is given.

        Parameters
        ----------
        formula : callable
        within : pair of float
            The least and the largest value that the figure can have.
        """
        value = _number(float(formula(self.sums)))
        pseudo = self._pseudo_values(formula)
        if value is None or pseudo is None or self.patients < MIN_PATIENTS:
            return Estimate(value=value)
        influence = pseudo - pseudo.mean()
        error = float(_standard_error((influence**2).sum(), self.patients))
        reach = self._reach(formula, value, influence)
        if reach is None:
            return Estimate(value=value)
        low, high = value - reach[0] * error, value + reach[1] * error
        return Estimate(value=value, low=max(float(low), within[0]), high=min(float(high), within[1]))

    def spread(self, formula: Formula) -> Spread | None:
        """How much a figure differs between patients, from its jackknife pseudo-values (Tukey 1958).

        None with one patient, or where the figure is not defined without some patient.
        """
        pseudo = self._pseudo_values(formula)
        if pseudo is None:
            return None
        deviation = float(np.std(pseudo, ddof=1))
        return Spread(
            standard_deviation=deviation,
            standard_error=deviation / self.patients**0.5,
            effective_patients=self.effective_patients,
        )

    def _pseudo_values(self, formula: Formula) -> Values | None:
        if self.patients < 2:
            return None
        total = self.sums
        left_out = formula({name: total[name] - values for name, values in self._by_patient.items()})
        pseudo = self.patients * formula(total) - (self.patients - 1) * left_out
        return None if np.isnan(pseudo).any() else pseudo

    def _reach(self, formula: Formula, value: float, influence: Values) -> tuple[float, float] | None:
        """How many standard errors the interval reaches down and up."""
        times, sums = self._samples()
        drawn = formula(sums)
        defined = ~np.isnan(drawn)
        if defined.sum() < (1 - _MOST_UNDEFINED) * len(drawn):
            return None
        times, drawn = times[defined], drawn[defined]
        squares = times @ (influence**2).astype(np.float32)
        squares -= (times @ influence.astype(np.float32)) ** 2 / self.patients
        errors = _standard_error(np.maximum(squares, 0), self.patients)
        off = drawn - value
        # A sample of equal patients has no spread: as far away as can be, and bounded below.
        distance = np.divide(off, errors, out=_FAR * np.sign(off), where=errors > np.abs(off) / _FAR)
        error = ERROR * (1 - _CUT * min(1.0, _SMALL / self.patients))
        low, high = np.quantile(distance, (error / 2, 1 - error / 2))
        student = float(stats.t.ppf(1 - ERROR / 2, max(self.effective_patients - 1, 1.0)))
        # A figure that is drawn too high lies below it as far, and the other way round.
        down, up = np.clip((high, -low), _NARROWEST * student, _WIDEST * student)
        return float(down), float(up)

    def _samples(self) -> tuple[NDArray[np.float32], dict[str, Values]]:
        """How often each patient is drawn, (samples, patients), and the sums of what is drawn."""
        if self._drawn is None:
            samples, seed = self._draws
            rng = np.random.default_rng(seed)
            times = rng.multinomial(self.patients, np.full(self.patients, 1 / self.patients), size=samples)
            times = times.astype(np.float64)  # once: a product of whole and floating numbers would convert it each time
            sums = {name: np.tensordot(times, values, axes=1) for name, values in self._by_patient.items()}
            self._drawn = times.astype(np.float32), sums
        return self._drawn


def _standard_error(squares: ArrayLike, patients: int) -> Values:
    """Of a mean, from the sum of squared distances from it."""
    return np.sqrt(np.asarray(squares, np.float64) / (patients - 1) / patients)


def _added(values: Sequence[ArrayLike], place: NDArray[np.intp], count: int) -> Values:
    """Sums by patient, (patients, ...)."""
    each = np.stack([np.asarray(value, np.float64) for value in values])
    total = np.zeros((count, *each.shape[1:]))
    np.add.at(total, place, each)
    return total


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
