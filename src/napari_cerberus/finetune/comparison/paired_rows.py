"""Rows of a comparison: two models' scores of the same tiles, tile by tile, with intervals by patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...tasks import NUCLEI
from ...training.evaluation.metric_catalogue import OBJECT_METRICS, PIXEL_METRICS, TISSUE_METRICS, Metric
from ...training.evaluation.metrics.bootstrap import Formula, PatientBootstrap
from ...training.evaluation.metrics.tile_sums import Sums, Values
from ...training.evaluation.scoring import TISSUE, TileScore
from .comparison_record import Row
from .critical import FEWEST_EFFECTIVE, critical_distance, fewest_patients
from .verdict import ValidationResult, judge

SAMPLES = 10_000
_ALL = {figure.key: figure for figure in (*OBJECT_METRICS, *PIXEL_METRICS, *TISSUE_METRICS)}
INSTANCE_METRICS = ("dice", "f1", "pq")
TISSUE_ROWS = ("balanced_accuracy", "accuracy", "macro_f1")


def primary_metric(task: str) -> str:
    """The one figure of a task that the verdict rests on.

    Nuclei are many and small: panoptic quality, which counts found objects and how well they fit. Glands and lumina:
    Dice, mean over tiles. Tissue: balanced accuracy.
    """
    return "balanced_accuracy" if task == TISSUE else "pq" if task == NUCLEI else "dice"


@dataclass(frozen=True, kw_only=True)
class PairedScores:
    """Both models' scores of one tile; the base's is None where it was not scored."""

    base: TileScore
    candidate: TileScore

    def sums(self, task: str, side: str) -> Mapping[str, ArrayLike] | None:
        """What the tile adds to a task's figures; None where this side has no score of it."""
        score = self.base if side == "base" else self.candidate
        if task == TISSUE:
            return score.tissue_sums() if score.tissue else None
        return score.tasks[task].sums() if task in score.tasks else None


@dataclass(frozen=True, kw_only=True)
class _Line:
    """What one tile adds to one task's figures, on both sides; worked out once."""

    patient: str
    stratum: str
    base: Mapping[str, ArrayLike] | None
    candidate: Mapping[str, ArrayLike]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """All rows, and what the primary ones say."""

    rows: tuple[Row, ...]
    validated: tuple[ValidationResult, ...]
    same: tuple[str, ...]
    fresh: tuple[str, ...]


def compare(scores: Sequence[PairedScores], *, same_classes: bool, weak: frozenset[str] = frozenset()) -> Compared:
    """Rows of every task that the tiles have labels for.

    Parameters
    ----------
    scores : sequence of PairedScores
        Of tiles that both models were run on.
    same_classes : bool
        Whether both name the same tissue types; else tissue cannot be compared.
    weak : frozenset of str
        Tasks whose labels come from a rule: shown, but no part of the verdict.
    """
    lines = {task: _lines(task, scores) for task in _tasks(scores)}
    fresh = [task for task in lines if (task == TISSUE and not same_classes) or not _shared(lines[task])]
    both = [task for task in lines if task not in fresh]
    same = [task for task in both if not _differs(task, scores)]
    told = [task for task in both if task not in same and task not in weak]
    primary, validated = [], []
    for task in both:
        group = _Group(task, _shared(lines[task]), weak=task in weak)
        if task in told:
            validated.append(group.validated(primary_metric(task), len(told)))
        primary.append(validated[-1].row if task in told else group.row(primary_metric(task)))
    others = [row for task in both for row in _further_rows(task, _shared(lines[task]), weak)]
    news = [row for task in fresh for row in _fresh_rows(task, lines[task], weak)]
    rows = (*sorted(primary, key=lambda row: not row.primary), *others, *news)
    return Compared(rows=rows, validated=tuple(validated), same=tuple(same), fresh=tuple(fresh))


class _Group:
    """The tiles of one task, of one category or of all, with both models' sums."""

    def __init__(self, task: str, lines: Sequence[_Line], *, category: str = "", weak: bool = False) -> None:
        self._about: dict[str, Any] = {"task": task, "category": category, "weak": weak}
        rows = [{**_named("base", line.base or {}), **_named("candidate", line.candidate)} for line in lines]
        self._pool = PatientBootstrap(rows, [line.patient for line in lines], samples=SAMPLES)

    def row(self, key: str, *, heading: str = "") -> Row:
        difference = self._pool.estimate(_difference(_ALL[key]), within=(-1.0, 1.0))
        row = self._without_interval(key)
        return replace(row, heading=heading or row.heading, low=difference.low, high=difference.high)

    def validated(self, key: str, tasks: int) -> ValidationResult:
        """The primary row, with the interval that the verdict rests on, and what it says."""
        row = replace(self._without_interval(key), primary=True)
        spread = self._pool.spread(_difference(_ALL[key]))
        if row.difference is None or spread is None:
            return judge(row, None, tasks)
        if spread.effective_patients >= FEWEST_EFFECTIVE and row.patients >= fewest_patients(tasks):
            away = critical_distance(spread.effective_patients, tasks) * spread.standard_error
            row = replace(row, low=max(row.difference - away, -1.0), high=min(row.difference + away, 1.0))
        evenness = spread.effective_patients / row.patients
        return judge(row, spread.standard_deviation, tasks, evenness)

    def _without_interval(self, key: str) -> Row:
        figure, sums = _ALL[key], self._pool.sums
        return Row(
            **self._about,
            figure=key,
            heading=figure.heading,
            base=_number(_of_side("base", figure)(sums)),
            candidate=_number(_of_side("candidate", figure)(sums)),
            difference=_number(_difference(figure)(sums)),
            tiles=self._pool.tiles,
            patients=self._pool.patients,
        )


def _further_rows(task: str, lines: Sequence[_Line], weak: frozenset[str]) -> list[Row]:
    """The other figures of all tiles, then the categories."""
    primary = primary_metric(task)
    keys = [key for key in (TISSUE_ROWS if task == TISSUE else INSTANCE_METRICS) if key != primary]
    group = _Group(task, lines, weak=task in weak) if keys else None
    rows = [group.row(key) for key in keys] if group is not None else []
    categories = sorted({line.stratum for line in lines})
    # In one category all tiles are of one tissue class, so the share named right is its recall.
    key, heading = ("accuracy", "Named right") if task == TISSUE else (primary, "")
    for category in categories if len(categories) > 1 else []:
        members = [line for line in lines if line.stratum == category]
        rows.append(_Group(task, members, category=category, weak=task in weak).row(key, heading=heading))
    return rows


def _fresh_rows(task: str, lines: Sequence[_Line], weak: frozenset[str]) -> list[Row]:
    """Figures of a task that the base model does not have, or names otherwise."""
    pool = PatientBootstrap([line.candidate for line in lines], [line.patient for line in lines], samples=1)
    keys = TISSUE_ROWS if task == TISSUE else INSTANCE_METRICS
    return [
        Row(
            task=task,
            figure=key,
            heading=_ALL[key].heading,
            candidate=_number(_ALL[key].formula(pool.sums)),
            tiles=pool.tiles,
            patients=pool.patients,
            weak=task in weak,
        )
        for key in keys
    ]


def _tasks(scores: Sequence[PairedScores]) -> list[str]:
    found = dict.fromkeys(key for one in scores for key in one.candidate.tasks)
    return [*found, *([TISSUE] if any(one.candidate.tissue for one in scores) else [])]


def _lines(task: str, scores: Sequence[PairedScores]) -> list[_Line]:
    """The tiles that the candidate has a score of."""
    return [
        _Line(
            patient=one.candidate.patient,
            stratum=one.candidate.stratum,
            base=one.sums(task, "base"),
            candidate=candidate,
        )
        for one in scores
        if (candidate := one.sums(task, "candidate")) is not None
    ]


def _shared(lines: Sequence[_Line]) -> list[_Line]:
    return [line for line in lines if line.base is not None]


def _differs(task: str, scores: Sequence[PairedScores]) -> bool:
    """Whether the two models gave any tile another score of this task."""
    if task == TISSUE:
        return any(one.base.tissue != one.candidate.tissue for one in scores)
    return any(one.base.tasks.get(task) != one.candidate.tasks.get(task) for one in scores)


def _named(side: str, sums: Mapping[str, ArrayLike]) -> dict[str, ArrayLike]:
    return {f"{side} {name}": value for name, value in sums.items()}


def _side(side: str, sums: Sums) -> Sums:
    return {name.removeprefix(f"{side} "): value for name, value in sums.items() if name.startswith(f"{side} ")}


def _of_side(side: str, figure: Metric) -> Formula:
    return lambda sums: figure.formula(_side(side, sums))


def _difference(figure: Metric) -> Formula:
    def difference(sums: Sums) -> Values:
        return np.asarray(figure.formula(_side("candidate", sums)) - figure.formula(_side("base", sums)))

    return difference


def _number(value: Values) -> float | None:
    return None if np.isnan(value) else float(value)
