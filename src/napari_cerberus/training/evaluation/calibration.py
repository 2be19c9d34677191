"""What is fitted on validation data after training: the tissue head's temperature, the instance tasks' thresholds.

Temperature scaling: Guo et al. 2017, On calibration of modern neural networks. One number per head: it changes how
sure the answers sound, never which class is named by a single window.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from ...errors import DataError
from ...inference.doubts.tissue_doubt import COVERAGE, least_share
from .metrics.class_metrics import class_sums, ece
from .metrics.object_metrics import f1
from .metrics.tile_sums import mean_over_tiles
from .scoring import TaskScore

_LOG_RANGE = (np.log(0.1), np.log(10.0))
_SMALLEST = 1e-30
THRESHOLDS = (0.01, 0.02, 0.03, 0.05, 0.1, 0.15, *(round(0.2 + 0.05 * step, 2) for step in range(13)))
"""Candidates, 0.01 .. 0.8."""
SLACK = 0.02
"""Scores that differ by less are as good, with a few dozen tiles; lumina were once cut at 0.01 for the sake of a
thousandth, and every goblet cell was one."""


@dataclass(frozen=True, kw_only=True)
class TissueAnswer:
    """What the tissue head says of one tile before it is averaged.

    Attributes
    ----------
    probabilities : (classes, cells) float array
        Of the cells that count for the readout, at the model's present temperature.
    truth : int
    """

    probabilities: NDArray[np.float32]
    truth: int

    def readout(self, factor: float) -> NDArray[np.float64]:
        """Mean probabilities (classes,) with the temperature multiplied by ``factor``: what the user reads."""
        scaled = np.log(np.maximum(self.probabilities.astype(np.float64), _SMALLEST)) / factor
        shares = np.exp(scaled - scaled.max(axis=0))
        return np.asarray((shares / shares.sum(axis=0)).mean(axis=1))


@dataclass(frozen=True, kw_only=True)
class TemperatureFit:
    """A fitted temperature, with log loss and calibration error before and after, and the tiles it rests on."""

    temperature: float
    tiles: int
    log_loss_before: float
    log_loss_after: float
    ece_before: float
    ece_after: float


def fit_temperature(answers: Sequence[TissueAnswer], present: float = 1.0) -> TemperatureFit:
    """The temperature with the least log loss of the readout.

    Parameters
    ----------
    answers : sequence of TissueAnswer
        Of validation tiles.
    present : float
        Temperature that the answers were given with.

    Raises
    ------
    DataError
        If there are no answers.
    """
    if not answers:
        raise DataError("No validation tile has a tissue class that the model knows; its temperature cannot be fitted.")
    best = minimize_scalar(lambda log: log_loss(answers, float(np.exp(log))), bounds=_LOG_RANGE, method="bounded")
    factor = float(np.exp(best.x))
    if log_loss(answers, factor) > log_loss(answers, 1.0):
        factor = 1.0
    return TemperatureFit(
        temperature=present * factor,
        tiles=len(answers),
        log_loss_before=log_loss(answers, 1.0),
        log_loss_after=log_loss(answers, factor),
        ece_before=_calibration_error(answers, 1.0),
        ece_after=_calibration_error(answers, factor),
    )


@dataclass(frozen=True, kw_only=True)
class TissueSet:
    """From which share on a class belongs to the set that is named when one class is not enough.

    Attributes
    ----------
    least_share : float
    coverage : float
        Share of tiles whose set is to hold the true class.
    tiles : int
        Validation tiles it was fitted on; their sets, not those of other tiles, hold the true class this often.
    mean_size : float
        Classes in a set, on average over these tiles.
    """

    least_share: float
    coverage: float
    tiles: int
    mean_size: float


def fit_tissue_set(answers: Sequence[TissueAnswer], factor: float = 1.0) -> TissueSet:
    """Fit the conformal set on validation tiles, with the temperature multiplied by ``factor``."""
    readouts = [answer.readout(factor) for answer in answers]
    least = least_share([float(shares[one.truth]) for shares, one in zip(readouts, answers, strict=True)])
    sizes = [max(1, int((shares >= least).sum())) for shares in readouts]
    return TissueSet(least_share=least, coverage=COVERAGE, tiles=len(answers), mean_size=float(np.mean(sizes)))


def log_loss(answers: Sequence[TissueAnswer], factor: float) -> float:
    """Mean negative log-likelihood, in nats, of the readouts at a multiple of the present temperature."""
    shares = [answer.readout(factor)[answer.truth] for answer in answers]
    return float(-np.log(np.maximum(shares, _SMALLEST)).mean())


@dataclass(frozen=True, kw_only=True)
class ThresholdPoint:
    """What one threshold gives on the validation tiles; NaN where a figure is not defined.

    Attributes
    ----------
    threshold : float
    dice, precision, recall : float
        Of pixels, mean over tiles.
    f1 : float
        Of objects, pooled.
    """

    threshold: float
    dice: float
    precision: float
    recall: float
    f1: float

    @property
    def score(self) -> float:
        """Mean of Dice and F1: neither a ragged outline nor a missed object is free."""
        return float(np.nan_to_num((self.dice + self.f1) / 2))

    @property
    def leans_to_recall(self) -> bool:
        """Whether recall is at least precision: a missed object is the worse error in pathology."""
        return bool(self.recall >= self.precision)


@dataclass(frozen=True, kw_only=True)
class ThresholdChoice:
    """The chosen threshold of a task, whether it leans to recall, the tiles it rests on and the whole curve."""

    threshold: float
    leans_to_recall: bool
    tiles: int
    curve: tuple[ThresholdPoint, ...]


def choose_threshold(curve: Sequence[ThresholdPoint], tiles: int) -> ThresholdChoice:
    """The best score among the thresholds with recall at least precision; the largest of equals.

    If the next threshold scores higher but lacks recall, the choice moves toward it, to where recall meets precision by
    interpolation. Where leaning to recall would cost more than ``SLACK``: the one nearest to a half that costs less.

    Raises
    ------
    DataError
        If the curve is empty.
    """
    if not curve:
        raise DataError("A threshold cannot be chosen without validation tiles that have labels of its task.")
    best = max(curve, key=lambda point: (point.score, point.threshold))
    good = [point for point in curve if best.score - point.score <= SLACK]
    if leaning := [point for point in good if point.leans_to_recall]:
        threshold = _toward_balance(max(leaning, key=lambda point: (point.score, point.threshold)), curve)
    else:
        threshold = min(good, key=lambda point: abs(point.threshold - 0.5)).threshold
    return ThresholdChoice(threshold=threshold, leans_to_recall=bool(leaning), tiles=tiles, curve=tuple(curve))


def _toward_balance(chosen: ThresholdPoint, curve: Sequence[ThresholdPoint]) -> float:
    """``chosen``'s threshold, or one in hundredths on the way to the next: a hair of recall once cost 0.05 of F1."""
    beyond = min(
        (point for point in curve if point.threshold > chosen.threshold), key=lambda p: p.threshold, default=None
    )
    if beyond is None or beyond.leans_to_recall or beyond.score <= chosen.score:
        return chosen.threshold
    excess, lack = chosen.recall - chosen.precision, beyond.precision - beyond.recall
    way = (beyond.threshold - chosen.threshold) * excess / (excess + lack)
    return round(chosen.threshold + math.floor(100 * way + 1e-6) / 100, 2)


def threshold_point(threshold: float, scores: Sequence[TaskScore]) -> ThresholdPoint:
    """Sum up the tiles' scores at one threshold."""
    rows = [score.sums() for score in scores]
    sums = {name: np.sum([np.asarray(row[name]) for row in rows], axis=0) for name in rows[0]} if rows else {}
    dice, precision, recall = (
        float(mean_over_tiles(key, sums)) if rows else np.nan for key in ("dice", "precision", "recall")
    )
    return ThresholdPoint(
        threshold=threshold, dice=dice, precision=precision, recall=recall, f1=float(f1(sums)) if rows else np.nan
    )


def _calibration_error(answers: Sequence[TissueAnswer], factor: float) -> float:
    rows = [class_sums(answer.truth, answer.readout(factor).tolist()) for answer in answers]
    return float(ece({name: np.sum([row[name] for row in rows], axis=0) for name in rows[0]}))
