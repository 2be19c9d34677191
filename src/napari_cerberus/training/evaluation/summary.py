"""From the scores of tiles to the figures of a report: per category and overall, with intervals by patient."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...tasks import TaskSpec
from .metric_catalogue import OBJECT_METRICS, PIXEL_METRICS, TISSUE_METRICS, TYPE_METRICS, Metric
from .metrics.bootstrap import Estimate, Formula, PatientBootstrap
from .metrics.class_metrics import class_f1, class_precision, class_recall, reliability
from .scoring import TileScore

OVERALL = "All"


@dataclass(frozen=True, kw_only=True)
class Group:
    """Figures of one category, or of all tiles.

    Attributes
    ----------
    name : str
        The category, or ``OVERALL``.
    tiles, patients : int
    figures : mapping of figure key to Estimate
    conformity_failures : int
        Tiles where the conformity coefficient is a failure.
    drawn_objects, predicted_objects : int
    note : str
        What must be said of the intervals.
    """

    name: str
    tiles: int
    patients: int
    metrics: Mapping[str, Estimate]
    conformity_failures: int
    drawn_objects: int
    predicted_objects: int
    note: str


@dataclass(frozen=True, kw_only=True)
class TaskSummary:
    """Figures of one instance task; ``weak`` where its labels come from a rule. The first group is ``OVERALL``."""

    task: str
    weak: bool
    groups: tuple[Group, ...]


@dataclass(frozen=True, kw_only=True)
class ClassMetrics:
    """One class: how many cases (tiles, or objects) are of it, how many were named so, and its figures."""

    name: str
    cases: int
    answers: int
    recall: Estimate
    precision: Estimate
    f1: Estimate


@dataclass(frozen=True, kw_only=True)
class TissueSummary:
    """Figures of the tissue head.

    Attributes
    ----------
    tiles, patients : int
    figures : mapping of figure key to Estimate
    classes : tuple of ClassFigures
        In the model's order.
    confusion : tuple of tuple of int
        Rows: truth; columns: answer.
    reliability : tuple of mapping
        Bins of the reliability curve (``metrics.classes.reliability``).
    note : str
    """

    tiles: int
    patients: int
    metrics: Mapping[str, Estimate]
    classes: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]
    reliability: tuple[Mapping[str, float], ...]
    note: str


@dataclass(frozen=True, kw_only=True)
class TypeSummary:
    """Figures of the classes of matched objects (``metrics.types``).

    Attributes
    ----------
    task, types_of : str
        Of the head, and of the instance task whose objects it names.
    objects, tiles, patients : int
        Matched objects whose class was drawn, and where they lie.
    figures : mapping of figure key to Estimate
    classes : tuple of ClassFigures
    confusion : tuple of tuple of int
        Rows: truth; columns: answer. The first class stands for none.
    note : str
    """

    task: str
    types_of: str
    objects: int
    tiles: int
    patients: int
    metrics: Mapping[str, Estimate]
    classes: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]
    note: str


@dataclass(frozen=True, kw_only=True)
class BootstrapSettings:
    """How intervals are made: number of samples and seed."""

    samples: int = 2000
    seed: int = 0


def summarise_tasks(
    scores: Sequence[TileScore],
    *,
    weak: frozenset[str] = frozenset(),
    order: Sequence[str] = (),
    bootstrap: BootstrapSettings | None = None,
) -> tuple[TaskSummary, ...]:
    """Figures of every instance task that was scored.

    Parameters
    ----------
    scores : sequence of TileScore
    weak : frozenset of str
        Tasks whose labels come from a rule.
    order : sequence of str
        Categories in the order wanted; others follow by name.
    bootstrap : BootstrapSettings, optional
    """
    keys = list(dict.fromkeys(key for score in scores for key in score.tasks))
    settings = bootstrap or BootstrapSettings()
    return tuple(TaskSummary(task=key, weak=key in weak, groups=_groups(key, scores, order, settings)) for key in keys)


def summarise_tissue(
    scores: Sequence[TileScore], classes: Sequence[str], bootstrap: BootstrapSettings | None = None
) -> TissueSummary | None:
    """Figures of the tissue head; None where no tile has a truth among ``classes``."""
    answered = [score for score in scores if score.tissue]
    if not answered:
        return None
    settings = bootstrap or BootstrapSettings()
    pool = _tissue_pool(answered, settings)
    confusion = pool.sums["confusion"].astype(int)
    return TissueSummary(
        tiles=pool.tiles,
        patients=pool.patients,
        metrics=_metrics(pool, TISSUE_METRICS),
        classes=tuple(_class_metrics(answered, place, name, settings) for place, name in enumerate(classes)),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        reliability=tuple(reliability(pool.sums)),
        note=pool.note,
    )


def summarise_types(
    scores: Sequence[TileScore], specs: Sequence[TaskSpec], bootstrap: BootstrapSettings | None = None
) -> tuple[TypeSummary, ...]:
    """Figures of every head of ``specs`` that names objects and had some to name."""
    settings = bootstrap or BootstrapSettings()
    found = ((spec, [score for score in scores if _objects_named(score, spec.key)]) for spec in specs)
    return tuple(_type_summary(spec, named, settings) for spec, named in found if named)


def _objects_named(score: TileScore, key: str) -> int:
    return sum(sum(row) for row in score.types.get(key, ()))


def _type_summary(spec: TaskSpec, scores: Sequence[TileScore], settings: BootstrapSettings) -> TypeSummary:
    def pool_of(members: Sequence[TileScore]) -> PatientBootstrap:
        sums = [{"confusion": np.asarray(score.types[spec.key], np.float64)} for score in members]
        patients = [score.patient for score in members]
        return PatientBootstrap(sums, patients, samples=settings.samples, seed=settings.seed)

    def estimate(place: int, formula: Formula, *, drawn: bool, named: bool) -> Estimate:
        tables = ((score, np.asarray(score.types[spec.key])) for score in scores)
        members = [s for s, table in tables if (drawn and table[place].any()) or (named and table[:, place].any())]
        if not members:
            return Estimate(value=None)
        return pool_of(members).estimate(lambda sums: formula(sums)[..., place], within=(0.0, 1.0))

    pool = pool_of(scores)
    confusion = pool.sums["confusion"].astype(int)
    return TypeSummary(
        task=spec.key,
        types_of=spec.types_of,
        objects=int(confusion.sum()),
        tiles=pool.tiles,
        patients=pool.patients,
        metrics=_metrics(pool, TYPE_METRICS),
        classes=tuple(
            ClassMetrics(
                name=name,
                cases=int(confusion[place].sum()),
                answers=int(confusion[:, place].sum()),
                recall=estimate(place, class_recall, drawn=True, named=False),
                precision=estimate(place, class_precision, drawn=False, named=True),
                f1=estimate(place, class_f1, drawn=True, named=True),
            )
            for place, name in enumerate(spec.classes)
        ),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        note=pool.note,
    )


def _groups(
    key: str, scores: Sequence[TileScore], order: Sequence[str], settings: BootstrapSettings
) -> tuple[Group, ...]:
    mine = [score for score in scores if key in score.tasks]
    strata = sorted({score.stratum for score in mine}, key=_place_in(order))
    groups = [_group(OVERALL, key, mine, settings)]
    if len(strata) > 1:
        groups += [_group(name, key, [s for s in mine if s.stratum == name], settings) for name in strata]
    return tuple(groups)


def _group(name: str, key: str, scores: Sequence[TileScore], settings: BootstrapSettings) -> Group:
    pool = PatientBootstrap(
        [score.tasks[key].sums() for score in scores],
        [score.patient for score in scores],
        samples=settings.samples,
        seed=settings.seed,
    )
    sums = {name: float(value) for name, value in pool.sums.items()}
    return Group(
        name=name,
        tiles=pool.tiles,
        patients=pool.patients,
        metrics=_metrics(pool, (*PIXEL_METRICS, *OBJECT_METRICS)),
        conformity_failures=int(sums["conformity_failures"]),
        drawn_objects=int(sums["matched"] + sums["missed"]),
        predicted_objects=int(sums["matched"] + sums["extra"]),
        note=pool.note,
    )


def _metrics(pool: PatientBootstrap, wanted: Sequence[Metric]) -> dict[str, Estimate]:
    return {figure.key: pool.estimate(figure.formula, within=figure.within) for figure in wanted}


def _class_metrics(scores: Sequence[TileScore], place: int, name: str, settings: BootstrapSettings) -> ClassMetrics:
    """Each figure is worked out from the tiles it depends on, so that its interval counts their patients alone."""
    truth = [score for score in scores if score.tissue_truth == place]
    answers = [score for score in scores if score.tissue_answer == place]
    either = [score for score in scores if place in (score.tissue_truth, score.tissue_answer)]

    def estimate(members: Sequence[TileScore], formula: Formula) -> Estimate:
        if not members:
            return Estimate(value=None)
        return _tissue_pool(members, settings).estimate(lambda sums: formula(sums)[..., place], within=(0.0, 1.0))

    return ClassMetrics(
        name=name,
        cases=len(truth),
        answers=len(answers),
        recall=estimate(truth, class_recall),
        precision=estimate(answers, class_precision),
        f1=estimate(either, class_f1),
    )


def _tissue_pool(scores: Sequence[TileScore], settings: BootstrapSettings) -> PatientBootstrap:
    return PatientBootstrap(
        [score.tissue_sums() for score in scores],
        [score.patient for score in scores],
        samples=settings.samples,
        seed=settings.seed,
    )


def _place_in(order: Sequence[str]) -> Callable[[str], tuple[int, str]]:
    places = {name: place for place, name in enumerate(order)}
    return lambda name: (places.get(name, len(places)), name)
