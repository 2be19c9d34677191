"""What correcting cost, and who did what: measured from the journal, per image and model version."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from ..tasks import INSTANCE_TASKS
from .journal import Record, Replay, read_journal
from .journal.record import EDIT, RESULT, SNAPSHOT
from .label_maps import dice

IDLE_S = 30.0
"""A longer pause between two changes is not work."""

DECISIONS = ("accept", "reject", "skip")
"""Tools that judge an object without changing it."""


def active_seconds(records: Iterable[Record], idle_s: float = IDLE_S) -> float:
    """Seconds between successive changes of a session, pauses over ``idle_s`` left out.

    Measured by a clock that never jumps; the time between sessions never counts.
    """
    times: dict[str, list[float]] = {}
    for record in records:
        if record.kind != SNAPSHOT:
            times.setdefault(record.session, []).append(record.elapsed_s)
    gaps = np.concatenate([np.zeros(0), *(np.diff(session) for session in times.values())])
    return float(gaps[(gaps > 0) & (gaps <= idle_s)].sum())


@dataclass(kw_only=True)
class _Period:
    """The time from one model version's first result to the next version's."""

    model: tuple[str, str]
    records: list[Record] = field(default_factory=list)
    dice: dict[str, float] = field(default_factory=dict)
    objects: int = 0


def effort_of(path: Path) -> pd.DataFrame:
    """Correction effort from a journal, one row a model version, in order.

    Returns
    -------
    DataFrame
        ``image_name``, ``image_key``, ``model_name``, ``model_sha256`` (empty: drawn without a model),
        ``annotators``, ``active_s``, ``edits``, ``decisions`` (accept, reject, skip), ``changed_px``, ``objects`` (at
        the end), ``edits_per_100_objects``, ``changed_px_per_100_objects``, and ``dice_<task>``: the model's
        foreground against what it was corrected to. NaN where that is not known, as for the time before a journal
        was compacted.

    Raises
    ------
    DataError
        If the file is no journal.
    """
    periods: list[_Period] = []

    def watch(replay: Replay, record: Record) -> None:
        model = (record.model_name, record.model_sha256)
        if not periods or (record.kind == RESULT and model != periods[-1].model):
            if periods:
                _close(periods[-1], replay)
            periods.append(_Period(model=model))
        periods[-1].records.append(record)

    replay = read_journal(path, watch)
    if periods:
        _close(periods[-1], replay)
    return pd.DataFrame([_row(period, replay) for period in periods], columns=list(_COLUMNS))


def _close(period: _Period, replay: Replay) -> None:
    """Note how far the model's result was from what it was corrected to, at the end of a period."""
    period.records = [record for record in period.records if record.seq <= len(replay.records)]
    period.dice = {task: dice(replay.model_labels[task], labels) for task, labels in replay.labels.items()}
    period.objects = sum(len(cells) for cells in replay.cells.values())


_COLUMNS = (
    "image_name",
    "image_key",
    "model_name",
    "model_sha256",
    "annotators",
    "active_s",
    "edits",
    "decisions",
    "changed_px",
    "objects",
    "edits_per_100_objects",
    "changed_px_per_100_objects",
    *(f"dice_{task}" for task in INSTANCE_TASKS),
)


def _row(period: _Period, replay: Replay) -> dict[str, object]:
    by_hand = [record for record in period.records if record.kind == EDIT]
    edits = [record for record in by_hand if record.tool not in DECISIONS]
    changed_px = sum(record.changed_px for record in edits)
    per_100 = 100 / period.objects if period.objects else float("nan")
    return {
        "image_name": replay.frame.image_name,
        "image_key": replay.frame.image_key,
        "model_name": period.model[0],
        "model_sha256": period.model[1],
        "annotators": ", ".join(dict.fromkeys(record.by for record in by_hand if record.by)),
        "active_s": round(active_seconds(period.records), 1),
        "edits": len(edits),
        "decisions": len(by_hand) - len(edits),
        "changed_px": changed_px,
        "objects": period.objects,
        "edits_per_100_objects": len(edits) * per_100,
        "changed_px_per_100_objects": changed_px * per_100,
        **{f"dice_{task}": period.dice.get(task, float("nan")) for task in INSTANCE_TASKS},
    }


def provenance(records: Sequence[Record], task: str) -> pd.DataFrame:
    """What was done by hand to each object of a task, also to those that are gone.

    Returns
    -------
    DataFrame
        ``index``, ``made_by`` (the model's name, or "hand"), ``model_sha256``, ``edits``, ``tools`` (in order, once
        each), ``annotators``, ``first_at``, ``last_at`` (empty where nothing was done). Ids ascending.
    """
    made: dict[int, tuple[str, str]] = {}
    touched: dict[int, list[Record]] = {}
    for record in (r for r in records if r.task == task and r.kind in (EDIT, RESULT)):
        by_model = record.kind == RESULT
        for i in record.new_ids if not by_model else (*record.new_ids, *record.changed_ids):
            made[i] = (record.model_name, record.model_sha256) if by_model else made.get(i, ("hand", ""))
        if not by_model:
            for i in (*record.new_ids, *record.removed_ids, *record.changed_ids, *record.marked_ids):
                touched.setdefault(i, []).append(record)
    rows = [_history(i, made.get(i, ("hand", "")), touched.get(i, [])) for i in sorted({*made, *touched})]
    return pd.DataFrame(rows, columns=list(_HISTORY))


_HISTORY = ("index", "made_by", "model_sha256", "edits", "tools", "annotators", "first_at", "last_at")


def _history(index: int, made: tuple[str, str], records: Sequence[Record]) -> dict[str, object]:
    return {
        "index": index,
        "made_by": made[0],
        "model_sha256": made[1],
        "edits": len(records),
        "tools": ", ".join(dict.fromkeys(record.tool for record in records)),
        "annotators": ", ".join(dict.fromkeys(record.by for record in records if record.by)),
        "first_at": records[0].at if records else "",
        "last_at": records[-1].at if records else "",
    }
