"""Table and plot of the learning loop."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from learning_domains import DOMAINS
from napari_cerberus.files import write_text
from napari_cerberus.model.checkpoint import Model
from napari_cerberus.training.evaluation.metrics.bootstrap import MIN_PATIENTS, PatientBootstrap

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "results.md"
IMAGES = ROOT / "docs" / "images"
KEPT = ROOT / "docs" / "learning_loop_rows.json"
"""Rows of the document's tables, by domain."""
FIGURES = {"object_dice": "object Dice", "dice": "Dice", "f1": "F1"}

Scored = Sequence[tuple[str, str, Mapping[str, float]]]
"""Patient, id and figures of each tile of a domain, always in the same order."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One size, preset and purpose: figures of its models, one a fold, on the new and the old domain.

    ``tiles`` 0: the base model. ``minutes`` of training and choice, ``all_minutes`` with the comparison, and ``told``
    (what the dock's estimate tells of the former) are means over the folds; ``given`` are the pairs of each fold, and
    ``said`` is what each run told at its end.
    """

    tiles: int
    preset: str
    purpose: str
    new: Scored
    old: Scored
    minutes: float = 0.0
    all_minutes: float = 0.0
    told: float = 0.0
    steps: int = 0
    given: Sequence[int] = ()
    said: Sequence[str] = ()


def cells(row: Row, rows: Sequence[Row]) -> str:
    """A line of the table."""
    base = base_of(rows)
    found = [f"{sum(one[2]['found'] for one in row.new):.0f} of {sum(one[2]['drawn'] for one in row.new):.0f}"]
    new = [_figure(row.new, name, row.new) for name in FIGURES]
    gain, change = (_gain(getattr(row, side), getattr(base, side), name) for side, name in _SIDES)
    time = f"{row.minutes:.1f} + {row.all_minutes - row.minutes:.1f} ({row.told:.1f})" if row.tiles else ""
    about = (
        [f"{' / '.join(map(str, row.given))}", f"{row.preset}, {row.purpose}"] if row.tiles else ["none", "base model"]
    )
    ends = (
        [gain, _figure(row.old, "dice", row.old), change] if row.tiles else ["", _figure(row.old, "dice", row.old), ""]
    )
    return f"| {' | '.join([*about, time, *found, *new, *ends])} |"


_SIDES = (("new", "object_dice"), ("old", "dice"))
HEADS = (
    "tiles",
    "run",
    "minutes + comparison (told)",
    "found",
    *FIGURES.values(),
    "gain",
    "old domain, Dice",
    "change",
)


def base_of(rows: Sequence[Row]) -> Row:
    """The base model's row."""
    return next(row for row in rows if not row.tiles)


def mean(scores: Scored, name: str) -> float:
    """Mean over tiles."""
    return float(np.mean([figures[name] for _patient, _id, figures in scores]))


def _figure(scores: Scored, name: str, unit: Scored, shape: str = ".3f") -> str:
    """Mean over tiles with its interval: by patient, or by tile where too few patients are there for one."""
    by_patient = len({patient for patient, _id, _figures in unit}) >= MIN_PATIENTS
    units = [one[0] if by_patient else one[1] for one in unit]
    sums = [{"value": figures[name], "tiles": 1.0} for _patient, _id, figures in scores]
    found = PatientBootstrap(sums, units).estimate(lambda every: every["value"] / every["tiles"])
    between = "" if found.low is None or found.high is None else f" ({found.low:{shape}} to {found.high:{shape}})"
    return f"{found.value:{shape}}{between}"


def _gain(scores: Scored, base: Scored, name: str) -> str:
    """The same, of the difference tile by tile."""
    pairs = zip(scores, base, strict=True)
    differences = [(one[0], one[1], {name: one[2][name] - before[2][name]}) for one, before in pairs]
    return _figure(differences, name, base, "+.3f")


def write_document(rows: Sequence[Row], domain: str, base: Model, computer: str) -> None:
    """Table into docs/results.md, plot and rows beside it."""
    start, end = (f"<!-- learning loop, {domain}: {word} -->" for word in ("begin", "end"))
    table = [
        f"New domain: {DOMAINS[domain].words}. Base model {base.name} ({base.sha256[:12]}), which never saw it; "
        f"{computer}.",
        "",
        f"| {' | '.join(HEADS)} |",
        f"|{'---|' * len(HEADS)}",
        *(cells(row, rows) for row in sorted(rows, key=lambda row: (row.tiles, row.preset, row.purpose))),
        "",
        f"![Gain by number of tiles](images/learning_loop_{domain}.svg)",
    ]
    text = DOCUMENT.read_text(encoding="utf-8")
    if start not in text:
        text = f"{text.rstrip()}\n\n## The learning loop: {domain}\n\n{start}\n{end}\n"
    before, _, rest = text.partition(start)
    write_text(DOCUMENT, f"{before}{start}\n" + "\n".join(table) + f"\n{end}{rest.partition(end)[2]}")
    write_text(IMAGES / f"learning_loop_{domain}.svg", plot(rows))
    kept: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.is_file() else {}
    kept[domain] = {"base": base.sha256, "rows": [asdict(row) for row in rows]}
    write_text(KEPT, json.dumps(kept, indent=1) + "\n")


def plot(rows: Sequence[Row]) -> str:
    """SVG: object Dice of the new domain (whole lines) and Dice of the old one (broken) against tiles."""
    base = base_of(rows)
    lines: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.tiles):
        if row.tiles:
            lines.setdefault(f"{row.preset}, {row.purpose}", []).append(row)
    low = min(mean(getattr(row, side), name) for row in rows for side, name in _SIDES) - 0.02
    width, height, margin = 520, 300, 50
    most = max(row.tiles for row in rows) or 1

    def at(tiles: int, value: float) -> str:
        share = (value - low) / max(1 - low, 1e-6)
        return f"{margin + tiles / most * (width - 2 * margin):.1f},{height - margin - share * 220:.1f}"

    parts = []
    for (name, members), colour in zip(lines.items(), ("#0072b2", "#d55e00", "#009e73"), strict=False):
        for (side, figure), dashes in zip(_SIDES, ("none", "5 4"), strict=True):
            points = " ".join(at(row.tiles, mean(getattr(row, side), figure)) for row in (base, *members))
            style = f'fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"'
            parts.append(f'<polyline points="{points}" {style}><title>{name}, {side} domain</title></polyline>')
        x, y = at(members[-1].tiles, mean(members[-1].new, "object_dice")).split(",")
        parts.append(
            f'<text x="{float(x) - 4:.1f}" y="{float(y) - 6:.1f}" text-anchor="end" fill="{colour}">{name}</text>'
        )
    for tiles in sorted({row.tiles for row in rows}):
        x = at(tiles, low).split(",")[0]
        parts.append(f'<text x="{x}" y="{height - margin + 18}" text-anchor="middle">{tiles}</text>')
    for value in np.linspace(low, 1.0, 4):
        y = at(0, float(value)).split(",")[1]
        parts.append(f'<text x="{margin - 6}" y="{y}" text-anchor="end">{value:.2f}</text>')
    parts.append(f'<text x="{width / 2}" y="{height - 8}" text-anchor="middle">corrected tiles</text>')
    parts.append(f'<text x="{margin}" y="20">New domain: object Dice, whole; old domain: Dice, broken</text>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif"'
    return f'{head} font-size="12">\n' + "\n".join(parts) + "\n</svg>\n"
