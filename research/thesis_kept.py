"""Finished rows of the thesis's tables, in one file that goes into git, so that another machine goes on from them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from napari_cerberus.errors import SettingsError
from napari_cerberus.files import write_text
from napari_cerberus.locks import lock
from thesis_rows import Schedule

METRICS = ("dice", "jaccard", "conformity", "precision", "recall")
KEPT_FILE = "thesis_rows.json"

Reports = Mapping[str, Mapping[str, Any]]


def kept_rows(path: Path, schedule: Schedule, start: str) -> Reports:
    """The rows in ``path``, by name, as ``essence`` leaves their reports; none if there is no such file.

    Raises
    ------
    SettingsError
        If they have another schedule: the rows of a table must be comparable.
    """
    if not path.exists():
        return {}
    kept, wanted = json.loads(path.read_text(encoding="utf-8")), {**asdict(schedule), "start": start}
    if kept["schedule"] != wanted:
        other = {key: kept["schedule"].get(key) for key in wanted if kept["schedule"].get(key) != wanted[key]}
        raise SettingsError(f"{path} holds rows of another schedule ({other}); name another folder with --results.")
    return kept["rows"]


def keep_row(path: Path, schedule: Schedule, start: str, name: str, report: Mapping[str, Any]) -> Reports:
    """Add a row to ``path`` and return all of them; raises as ``kept_rows`` does."""
    with path.with_suffix(".lock").open("ab") as own:
        while not lock(own.fileno()):  # the other of two processes
            time.sleep(0.1)
        rows = dict(sorted({**kept_rows(path, schedule, start), name: essence(report)}.items()))
        lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(row)}" for key, row in rows.items())
        about = json.dumps({**asdict(schedule), "start": start})
        write_text(path, f'{{\n "schedule": {about},\n "rows": {{\n{lines}\n }}\n}}\n')
    return rows


def essence(report: Mapping[str, Any]) -> dict[str, Any]:
    """What the tables show of an evaluation's ``report.json``, to four digits."""
    tasks = [
        {
            "task": task["task"],
            "groups": [
                {
                    "name": group["name"],
                    "tiles": group["tiles"],
                    "conformity_failures": group["conformity_failures"],
                    "metrics": {key: _rounded(group["metrics"][key]) for key in METRICS},
                }
                for group in task["groups"]
            ],
        }
        for task in report.get("tasks", [])
    ]
    tissue = report.get("tissue")
    if not tissue:
        return {"tasks": tasks}
    metrics = {key: _rounded(tissue["metrics"][key]) for key in ("accuracy", "balanced_accuracy")}
    return {"tasks": tasks, "tissue": {"metrics": metrics, "confusion": tissue["confusion"]}}


def _rounded(estimate: Mapping[str, float | None]) -> dict[str, float | None]:
    return {key: None if value is None else round(value, 4) for key, value in estimate.items()}
