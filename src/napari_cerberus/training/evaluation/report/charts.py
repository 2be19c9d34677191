"""The report's charts as inline SVG: a reliability curve and figures with their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..metrics.bootstrap import Estimate
from .markup import Markup, element

_SIDE, _MARGIN = 260, 52
_ROW, _LABEL, _PLOT = 24, 150, 330
_STEPS = (0.02, 0.05, 0.1, 0.2)


def reliability_chart(bins: Sequence[Mapping[str, float]], title: str) -> Markup:
    """Share of right answers against the probability given; dots grow with the number of answers.

    Parameters
    ----------
    bins : sequence of mappings
        From ``metrics.classes.reliability``.
    title : str
        For readers that cannot see the chart.
    """
    most = max((bin_["count"] for bin_ in bins), default=1.0)
    points = [(_x(bin_["probability"]), _y(bin_["right"]), bin_) for bin_ in bins]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    dots = [
        element(
            "circle",
            element("title", f"{bin_['count']:.0f} answers of {bin_['probability']:.2f}: {bin_['right']:.2f} right"),
            cx=f"{x:.1f}",
            cy=f"{y:.1f}",
            r=f"{3 + 6 * (bin_['count'] / most) ** 0.5:.1f}",
            class_="dot",
        )
        for x, y, bin_ in points
    ]
    return _svg(
        _SIDE + 2 * _MARGIN,
        _SIDE + 2 * _MARGIN,
        title,
        _square_axes(),
        element("line", x1=_x(0), y1=_y(0), x2=_x(1), y2=_y(1), class_="ideal"),
        element("polyline", points=line, class_="curve"),
        dots,
        _text("Probability given", _MARGIN + _SIDE / 2, _SIDE + 2 * _MARGIN - 4, "middle"),
        _text("Share right", 12, _MARGIN + _SIDE / 2, "middle", turned=True),
    )


def interval_chart(rows: Sequence[tuple[str, Estimate]], title: str) -> Markup:
    """One row a group: the figure as a dot, its 95 % interval as a bar, on a scale that fits them all.

    Parameters
    ----------
    rows : sequence of (name, Estimate)
        Figures between 0 and 1; those without a value get an empty row.
    title : str
    """
    ends = [end for _, each in rows for end in (each.low, each.value) if end is not None]
    first, step = scale(min(ends, default=0.0))
    height = _ROW * len(rows) + 34
    place = [_interval_row(name, each, _ROW * number + _ROW / 2 + 4, first) for number, (name, each) in enumerate(rows)]
    return _svg(_LABEL + _PLOT + 70, height, title, _grid(first, step, height), place)


def _interval_row(name: str, estimate: Estimate, y: float, first: float) -> list[Markup]:
    parts = [_text(name, _LABEL - 10, y + 4, "end")]
    if estimate.value is None:
        return [*parts, _text("not counted", _LABEL + 6, y + 4, "start", "muted")]
    if estimate.low is not None and estimate.high is not None:
        ends = (_along(estimate.low, first), _along(estimate.high, first))
        parts.append(element("line", x1=f"{ends[0]:.1f}", x2=f"{ends[1]:.1f}", y1=y, y2=y, class_="interval"))
    parts.append(element("circle", cx=f"{_along(estimate.value, first):.1f}", cy=y, r=5, class_="dot"))
    return [*parts, _text(f"{estimate.value:.3f}", _LABEL + _PLOT + 14, y + 4, "start")]


def scale(lowest: float) -> tuple[float, float]:
    """First tick and distance of ticks of a scale that ends at 1 and begins at or below ``lowest``, 0 at least."""
    wanted = 1.0 - max(0.0, lowest)
    step = next((step for step in _STEPS if 5 * step >= wanted), _STEPS[-1])
    return max(0.0, 1.0 - step * math.ceil(wanted / step - 1e-9)), step


def _grid(first: float, step: float, height: float) -> list[Markup]:
    bottom = height - 24
    ticks = [first + step * number for number in range(round((1 - first) / step) + 1)]
    return [
        part
        for tick in ticks
        for part in (
            element("line", x1=_along(tick, first), x2=_along(tick, first), y1=0, y2=bottom, class_="grid"),
            _text(f"{tick:.2f}", _along(tick, first), height - 8, "middle", "muted"),
        )
    ]


def _along(value: float, first: float) -> float:
    return _LABEL + _PLOT * (max(value, first) - first) / max(1 - first, 1e-6)


def _square_axes() -> list[Markup]:
    parts = [element("rect", x=_MARGIN, y=_MARGIN, width=_SIDE, height=_SIDE, class_="frame")]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(_text(f"{tick:g}", _x(tick), _MARGIN + _SIDE + 16, "middle", "muted"))
        parts.append(_text(f"{tick:g}", _MARGIN - 6, _y(tick) + 4, "end", "muted"))
    return parts


def _x(value: float) -> float:
    return _MARGIN + _SIDE * value


def _y(value: float) -> float:
    return _MARGIN + _SIDE * (1 - value)


def _text(words: str, x: float, y: float, anchor: str, kind: str | None = None, *, turned: bool = False) -> Markup:
    turn = f"rotate(-90 {x:.1f} {y:.1f})" if turned else None
    return element("text", words, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, class_=kind, transform=turn)


def _svg(width: float, height: float, title: str, *content: Markup | list[Markup] | list[list[Markup]]) -> Markup:
    return element(
        "svg",
        element("title", title),
        content,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=f"{width:.0f}",
        height=f"{height:.0f}",
        role="img",
    )
