"""A run's curves as a picture: loss of each task, and validation figures, over the steps. Drawn with Pillow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from ...files import atomic_path
from ...tasks import TASK_COLOURS
from ..run_folder import CURVES_FILE, read_metrics

Points = Sequence[tuple[float, float]]
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 640, 360, 64, 40, 150, 40
_INK, _GRID, _PAPER = "#202020", "#dddddd", "#ffffff"
_TISSUE_COLOUR = "#b03a78"
_MORE_COLOURS = ("#7a3db8", "#d7443e", "#8a5a00", "#3f6fd8")
_SMOOTHING = 0.9
_TICKS = 4


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One set of axes.

    Attributes
    ----------
    title : str
    lines : mapping of name to points (step, value)
    top : float
        Upper end of the scale; the lower one is 0.
    """

    title: str
    lines: Mapping[str, Points]
    top: float


def write_curves(folder: Path) -> Path:
    """Draw ``curves.png`` from the run's metrics, whole or not at all.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    picture = draw(charts(read_metrics(folder)))
    with atomic_path(folder / CURVES_FILE) as temporary:
        picture.save(temporary, format="PNG")
    return folder / CURVES_FILE


def charts(rows: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """Losses, smoothed, and validation figures of the rows of a run's metrics."""
    losses: dict[str, list[tuple[float, float]]] = {}
    metrics: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        step = row["step"]
        for name, value in row.items():
            if name not in ("step", "rate", "validation"):
                points = losses.setdefault(name, [])
                before = points[-1][1] if points else value
                points.append((step, _SMOOTHING * before + (1 - _SMOOTHING) * value))
        for name, value in _metrics(row.get("validation") or {}).items():
            metrics.setdefault(name, []).append((step, value))
    highest = max((value for points in losses.values() for _, value in points), default=1.0)
    return [
        Chart(title="Loss (smoothed)", lines=losses, top=highest or 1.0),
        Chart(title="Validation: Dice of objects, accuracy of tissue", lines=metrics, top=1.0),
    ]


def draw(wanted: Sequence[Chart]) -> Image.Image:
    """The charts, one under the other, as an RGB picture."""
    picture = Image.new("RGB", (_WIDTH, _HEIGHT * len(wanted)), _PAPER)
    pen = ImageDraw.Draw(picture)
    last = max((step for chart in wanted for points in chart.lines.values() for step, _ in points), default=1.0)
    for place, chart in enumerate(wanted):
        _draw_chart(pen, chart, place * _HEIGHT, max(float(last), 1.0))
    return picture


def _draw_chart(pen: ImageDraw.ImageDraw, chart: Chart, top: int, last: float) -> None:
    font = ImageFont.load_default(14)
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    floor = top + _TOP + height

    def at(step: float, value: float) -> tuple[float, float]:
        return _LEFT + width * step / last, floor - height * min(max(value / chart.top, 0.0), 1.0)

    pen.text((_LEFT, top + 12), chart.title, _INK, font)
    for tick in range(_TICKS + 1):
        share = tick / _TICKS
        pen.line([at(0, share * chart.top), at(last, share * chart.top)], _GRID)
        pen.text((_LEFT - 8, at(0, share * chart.top)[1]), f"{share * chart.top:.2f}", _INK, font, anchor="rm")
        pen.text((at(share * last, 0)[0], floor + 8), f"{share * last:.0f}", _INK, font, anchor="ma")
    for place, (name, points) in enumerate(sorted(chart.lines.items())):
        colour = {**TASK_COLOURS, "tissue": _TISSUE_COLOUR}.get(name, _MORE_COLOURS[place % len(_MORE_COLOURS)])
        places = [at(step, value) for step, value in points]
        pen.line(places, colour, 2)
        x, y = places[-1]
        pen.ellipse((x - 3, y - 3, x + 3, y + 3), colour)
        pen.text((_LEFT + width + 12, top + _TOP + 20 * place), f"{name} {points[-1][1]:.3f}", colour, font)


def _metrics(validation: Mapping[str, Any]) -> dict[str, float]:
    found = dict(validation.get("dice", {}))
    if validation.get("tissue_accuracy") is not None:
        found["tissue"] = validation["tissue_accuracy"]
    return found
