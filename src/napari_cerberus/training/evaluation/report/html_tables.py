"""The report's tables as HTML."""

from __future__ import annotations

from collections.abc import Sequence

from ..metric_catalogue import OBJECT_METRICS, PIXEL_METRICS, TISSUE_METRICS, TYPE_METRICS, Metric
from ..metrics.bootstrap import Estimate
from ..summary import Group, TaskSummary, TissueSummary, TypeSummary
from .markup import Markup, element

_PIXEL_COLUMNS = ("dice", "jaccard", "conformity", "precision", "recall", "pooled_dice")
_OBJECT_COLUMNS = ("f1", "object_precision", "object_recall", "pq", "sq", "aji", "object_dice", "tile_pq")
Row = Sequence[str | int | Markup]

NOT_COUNTED = "not counted"
FAILURE = "failure"


def pixel_table(summary: TaskSummary) -> Markup:
    """Pixel figures of every group."""
    metrics = [figure for figure in PIXEL_METRICS if figure.key in _PIXEL_COLUMNS]
    heads = ("Group", "Tiles", "Patients", *(figure.heading for figure in metrics))
    rows: list[Row] = [
        (group.name, group.tiles, group.patients, *(_figure_cell(group, figure) for figure in metrics))
        for group in summary.groups
    ]
    return table(heads, rows)


def object_table(summary: TaskSummary) -> Markup:
    """Object figures of every group."""
    metrics = [figure for figure in OBJECT_METRICS if figure.key in _OBJECT_COLUMNS]
    heads = ("Group", "Drawn", "Found", *(figure.heading for figure in metrics))
    rows: list[Row] = [
        (group.name, group.drawn_objects, group.predicted_objects, *(_figure_cell(group, f) for f in metrics))
        for group in summary.groups
    ]
    return table(heads, rows)


def tissue_table(summary: TissueSummary) -> Markup:
    """Overall figures of the tissue head."""
    heads = ("Tiles", "Patients", *(figure.heading for figure in TISSUE_METRICS))
    cells = (estimate_cell(summary.metrics[figure.key]) for figure in TISSUE_METRICS)
    return table(heads, [(summary.tiles, summary.patients, *cells)])


def type_table(summary: TypeSummary) -> Markup:
    """Overall figures of a head that names objects."""
    heads = ("Objects", "Tiles", "Patients", *(figure.heading for figure in TYPE_METRICS))
    cells = (estimate_cell(summary.metrics[figure.key]) for figure in TYPE_METRICS)
    return table(heads, [(summary.objects, summary.tiles, summary.patients, *cells)])


def class_table(summary: TissueSummary | TypeSummary, cases: str = "Tiles") -> Markup:
    """Figures of each class; ``cases`` says what is counted."""
    rows = [
        (
            one.name,
            one.cases,
            one.answers,
            estimate_cell(one.recall),
            estimate_cell(one.precision),
            estimate_cell(one.f1),
        )
        for one in summary.classes
    ]
    return table(("Class", cases, "Answers", "Recall", "Precision", "F1"), rows)


def confusion_table(summary: TissueSummary | TypeSummary) -> Markup:
    """Rows: truth; columns: answer; each cell is shaded by its share of the row."""
    names = [one.name for one in summary.classes]
    head = element("tr", element("th", "Truth ↓ / answer →"), [element("th", name, scope="col") for name in names])
    rows = [
        element("tr", element("th", name, scope="row"), [_count_cell(count, sum(row)) for count in row])
        for name, row in zip(names, summary.confusion, strict=True)
    ]
    return element(
        "div", element("table", element("thead", head), element("tbody", rows), class_="confusion"), class_="wide"
    )


def table(heads: Sequence[str], rows: Sequence[Row]) -> Markup:
    """A plain table; the first cell of a row is its heading, finished ``<td>`` cells are taken as they are."""
    head = element("tr", [element("th", name, scope="col") for name in heads])
    body = [element("tr", _cell("th", row[0], scope="row"), [_cell("td", cell) for cell in row[1:]]) for row in rows]
    return element("div", element("table", element("thead", head), element("tbody", body)), class_="wide")


def estimate_cell(estimate: Estimate, instead: str = NOT_COUNTED) -> Markup:
    """A figure with its interval below."""
    if estimate.value is None:
        return element("td", instead, class_="muted")
    interval = None
    if estimate.low is not None and estimate.high is not None:
        interval = element("small", f"{_shown(estimate.low)} – {_shown(estimate.high)}")
    return element("td", _shown(estimate.value), interval)


def definitions(metrics: Sequence[Metric]) -> Markup:
    """What the figures mean."""
    return element("dl", [(element("dt", figure.heading), element("dd", f"{figure.meaning}.")) for figure in metrics])


def _figure_cell(group: Group, figure: Metric) -> Markup:
    estimate = group.metrics[figure.key]
    if figure.key != "conformity" or not group.conformity_failures:
        return estimate_cell(estimate)
    if estimate.value is None:
        return estimate_cell(estimate, FAILURE)
    failures = group.conformity_failures
    note = element("small", f"{failures} failure{'s' * (failures > 1)}", class_="warn")
    interval = estimate_cell(estimate)
    return Markup(interval.removesuffix("</td>") + note + "</td>")


def _count_cell(count: int, row_total: int) -> Markup:
    share = count / row_total if row_total else 0.0
    dark = "dark" if share > 0.55 else None
    return element("td", count, style=f"background:rgba(31,94,150,{share:.2f})", class_=dark)


def _cell(kind: str, content: str | int | Markup, **attributes: str) -> Markup:
    if isinstance(content, Markup) and content.startswith("<td"):
        return content
    return element(kind, content, **attributes)


def _shown(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")
