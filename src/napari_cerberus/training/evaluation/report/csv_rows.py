"""Rows of the CSV tables."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence

from ..metrics.bootstrap import Estimate
from ..metrics.object_metrics import OBJECT_FORMULAS
from ..metrics.pixel_metrics import PIXEL_FORMULAS
from ..scoring import TISSUE, TileScore
from ..summary import OVERALL, ClassMetrics, Group, TaskSummary, TissueSummary, TypeSummary
from .html_tables import FAILURE, NOT_COUNTED

Cell = str | int | float
Row = Sequence[Cell]


def metric_rows(
    tasks: Iterable[TaskSummary], types: Iterable[TypeSummary], tissue: TissueSummary | None
) -> Iterator[Row]:
    """One row a task, group and figure; ``tiles`` of a single class of objects is the number of objects."""
    yield ("task", "labels", "group", "figure", "value", "low", "high", "tiles", "patients")
    for summary in tasks:
        labels = "weak" if summary.weak else "drawn"
        for group in summary.groups:
            for key, cells in _group_cells(group):
                yield (summary.task, labels, group.name, key, *cells, group.tiles, group.patients)
    named = [(one.task, one) for one in types] + ([(TISSUE, tissue)] if tissue else [])
    for task, answers in named:
        for key, estimate in answers.metrics.items():
            yield (task, "drawn", OVERALL, key, *_cells(estimate), answers.tiles, answers.patients)
        yield from _class_rows(task, answers.classes)


def tile_rows(scores: Iterable[TileScore]) -> Iterator[Row]:
    """One row a tile and task; a figure that is not counted is an empty cell."""
    counts = ("tp", "fp", "fn", "objects_matched", "objects_extra", "objects_missed")
    yield (
        "id",
        "patient",
        "category",
        "task",
        *PIXEL_FORMULAS,
        *OBJECT_FORMULAS,
        *counts,
        "conformity_state",
        "seconds",
    )
    for score in scores:
        for key, task in score.tasks.items():
            pixels, objects = task.pixels, task.objects
            metrics = (*pixels.metrics().values(), *objects.metrics().values())
            sums = (pixels.tp, pixels.fp, pixels.fn, objects.matched, objects.extra, objects.missed)
            yield (
                *(score.id, score.patient, score.stratum, key),
                *(_number(value) for value in metrics),
                *(*sums, pixels.conformity_state, score.seconds),
            )


def tissue_rows(scores: Iterable[TileScore], classes: Sequence[str]) -> Iterator[Row]:
    """One row a tile with a tissue truth."""
    yield ("id", "patient", "truth", "answer", *classes)
    for score in scores:
        if score.tissue:
            truth, answer = classes[score.tissue_truth], classes[score.tissue_answer]
            yield (score.id, score.patient, truth, answer, *score.tissue)


def confusion_rows(summary: TissueSummary | TypeSummary) -> Iterator[Row]:
    """Rows: truth; columns: answer."""
    names = [one.name for one in summary.classes]
    yield ("truth", *names)
    for name, counts in zip(names, summary.confusion, strict=True):
        yield (name, *counts)


def _class_rows(task: str, classes: Iterable[ClassMetrics]) -> Iterator[Row]:
    for one in classes:
        for key, estimate in (("recall", one.recall), ("precision", one.precision), ("f1", one.f1)):
            yield (task, "drawn", one.name, key, *_cells(estimate), one.cases, "")


def as_csv(rows: Iterable[Row]) -> str:
    """The text of a CSV file."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    # File names may hold bytes that are no Unicode; such a table could not be written.
    return stream.getvalue().encode("utf-8", "replace").decode("utf-8")


def _group_cells(group: Group) -> Iterator[tuple[str, tuple[Cell, ...]]]:
    for key, estimate in group.metrics.items():
        failed = key == "conformity" and group.conformity_failures
        yield key, _cells(estimate, FAILURE if failed else NOT_COUNTED)
    yield "conformity_failures", (group.conformity_failures, "", "")


def _cells(estimate: Estimate, instead: str = NOT_COUNTED) -> tuple[Cell, ...]:
    if estimate.value is None:
        return instead, "", ""
    ends = ("" if end is None else _number(end) for end in (estimate.low, estimate.high))
    return _number(estimate.value), *ends


def _number(value: float) -> Cell:
    return "" if math.isnan(value) else round(value, 6)
