"""How many standard errors a difference must be away from 0, and how many patients it takes to get there.

Student's quantile holds its error where differences between patients are bell-shaped. Often they are not: a new model
changes little for most patients and much for a few. With 5 patients and exponential differences (skewness 2), 12 % of
comparisons without any difference lie beyond Student's 2.5 %. A skewness cannot be told from so few patients, so the
quantile of exponential differences stands in wherever it is larger: which it is, for every number of patients here.
It is drawn once for each number of patients, with a fixed seed. ``benchmarks/verdict_errors.py`` prints what comes of
it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ...training.evaluation.metrics.bootstrap import ERROR, MIN_PATIENTS

POWER = 0.8
PLANNED_POWER = 0.9
"""What ``power``, which takes differences for bell-shaped, must say so that ``POWER`` holds where a few patients lie
far below the rest, too: with 0.8 planned, as few as 72 % of such differences were told
(``benchmarks/verdict_errors.py``)."""
FEWEST_EFFECTIVE = 3.0
"""Below this, one patient brings nearly all tiles, and nothing can be told of the others."""
MOST_PATIENTS = 10_000
_NODES = (3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 70, 100)
_DRAWN = 200_000
_MARGIN = 0.8
"""Of the error that is allowed; the rest is for tiles that are spread unevenly."""


def fewest_patients(tasks: int) -> int:
    """Below this nothing is told: even if all patients agreed, chance alone would do that too often (sign test)."""
    return max(MIN_PATIENTS, int(np.ceil(np.log2(max(tasks, 1) / ERROR))))


def critical_distance(effective_patients: float, tasks: int) -> float:
    """Standard errors beyond which a difference is told, with ``tasks`` looked at together (Bonferroni).

    Parameters
    ----------
    effective_patients : float
        At least ``FEWEST_EFFECTIVE``.
    tasks : int
    """
    share = ERROR / max(tasks, 1)
    student = float(stats.t.ppf(1 - share / 2, effective_patients - 1))
    return max(student, _skewed_quantile(effective_patients, _MARGIN * share))


def power(distance: float, spread: float, patients: int, tasks: int, evenness: float = 1.0) -> float:
    """Chance that a difference is told.

    Parameters
    ----------
    distance : float
        The difference, without its sign.
    spread : float
        Standard deviation between patients of the difference.
    patients, tasks : int
    evenness : float
        Effective patients for each patient, 0..1.
    """
    effective = max(patients * evenness, FEWEST_EFFECTIVE)
    away = distance * patients**0.5 / spread if spread else np.inf
    needed = critical_distance(effective, tasks)
    # The usual normal approximation of the non-central t distribution (Johnson and Kotz).
    return float(stats.norm.cdf((away - needed) / np.sqrt(1 + needed**2 / 2 / (effective - 1))))


def patients_for_power(distance: float, spread: float, tasks: int, evenness: float = 1.0) -> int:
    """Least number of patients with whom the chance is ``POWER`` or more, whatever the shape of the differences.

    ``MOST_PATIENTS`` where it takes more.
    """
    low, high = fewest_patients(tasks), MOST_PATIENTS
    while low < high:
        middle = (low + high) // 2
        enough = middle * evenness >= FEWEST_EFFECTIVE
        if enough and power(distance, spread, middle, tasks, evenness) >= PLANNED_POWER:
            high = middle
        else:
            low = middle + 1
    return low


def _skewed_quantile(patients: float, error: float) -> float:
    """Between the numbers that are drawn, straight in 1 / √n; beyond the last, towards the normal quantile."""
    at = 1 / np.sqrt(patients)
    last = _NODES[-1]
    if patients >= last:
        normal = float(stats.norm.ppf(1 - error))
        return float(normal + (_drawn_quantile(last, error) - normal) * at * last**0.5)
    above = next(node for node in _NODES if node > patients)
    below = max(node for node in _NODES if node <= patients)
    places = 1 / np.sqrt([above, below])
    return float(np.interp(at, places, [_drawn_quantile(above, error), _drawn_quantile(below, error)]))


def _drawn_quantile(patients: int, error: float) -> float:
    return -float(_drawn_distances(patients)[round(error * _DRAWN)])


@lru_cache(maxsize=len(_NODES))
def _drawn_distances(patients: int) -> NDArray[np.float32]:
    """Mean of exponential numbers about their own mean, in standard errors; (``_DRAWN``,), in order."""
    rng = np.random.default_rng(patients)
    total, squares = np.zeros(_DRAWN), np.zeros(_DRAWN)
    for _ in range(patients):
        value = rng.standard_exponential(_DRAWN)
        total += value
        squares += value**2
    mean = total / patients
    variance = (squares - patients * mean**2) / (patients - 1)
    return np.sort((mean - 1) / np.sqrt(variance / patients)).astype(np.float32)
