"""Writing an evaluation: one JSON file, CSV tables, one HTML page."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

from ....files import write_text
from ..outcome import REPORT_FORMAT, Evaluation
from .csv_rows import as_csv, confusion_rows, metric_rows, tile_rows, tissue_rows
from .examples import Examples
from .page import page

REPORT_FILE = "report.html"
JSON_FILE = "report.json"
_LEFT_OUT = ("scores", "skipped", "leaks")


def write_report(folder: Path, evaluation: Evaluation, examples: Examples) -> Path:
    """Write ``report.json``, ``metrics.csv``, ``tiles.csv``, ``tissue.csv``, ``confusion.csv`` and ``report.html``.

    The last two tables only where there is a tissue head; a head that names objects has a ``confusion_<task>.csv``.
    Each file is written whole or not at all.

    Returns
    -------
    Path
        Of the page.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    tissue = evaluation.tissue
    tables = {"metrics": metric_rows(evaluation.tasks, evaluation.types, tissue), "tiles": tile_rows(evaluation.scores)}
    if tissue:
        tables["tissue"] = tissue_rows(evaluation.scores, [one.name for one in tissue.classes])
        tables["confusion"] = confusion_rows(tissue)
    for one in evaluation.types:
        tables[f"confusion_{one.task}"] = confusion_rows(one)
    for name, rows in tables.items():
        write_text(folder / f"{name}.csv", as_csv(rows))
    write_text(folder / JSON_FILE, json.dumps(to_json(evaluation), indent=2, allow_nan=False) + "\n")
    write_text(folder / REPORT_FILE, page(evaluation, examples))
    return folder / REPORT_FILE


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """Plain JSON types: everything but the scores of single tiles, which stand in ``tiles.csv``."""
    names = [field.name for field in fields(evaluation) if field.name not in _LEFT_OUT]
    leaks = evaluation.leaks
    return {
        "format": REPORT_FORMAT,
        **{name: _plain(getattr(evaluation, name)) for name in names},
        "leaks": {"leaks": leaks.leaks, "summary": leaks.summary, **asdict(leaks)} if leaks else None,
        "skipped": [{"id": score.id, "problem": score.problem} for score in evaluation.skipped],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
