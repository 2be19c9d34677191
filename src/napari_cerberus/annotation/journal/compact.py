"""A journal made shorter: the history without pixels, then one snapshot a task that holds everything."""

from __future__ import annotations

import numpy as np

from ..edits import difference
from ..object_columns import utc_now
from . import pixel_runs
from .record import SNAPSHOT, Record
from .replay import Replay


def compacted(replay: Replay, session: str, elapsed_s: float) -> list[Record]:
    """Records that restore the same labels, model labels, cells and history as ``replay``."""
    thin = [record.thinned() for record in replay.records]
    tasks = enumerate(replay.labels, start=len(thin) + 1)
    return thin + [_snapshot(replay, task, seq, session, elapsed_s) for seq, task in tasks]


def _snapshot(replay: Replay, task: str, seq: int, session: str, elapsed_s: float) -> Record:
    shape = replay.frame.shape
    empty = np.zeros(shape, dtype=np.int32)
    return Record(
        seq=seq,
        session=session,
        elapsed_s=elapsed_s,
        at=utc_now(),
        by="",
        kind=SNAPSHOT,
        task=task,
        tool="compact",
        summary="Compacted the journal",
        features=replay.cells[task],
        pixels=pixel_runs.pack(difference(empty, replay.labels[task], ""), shape),
        model_pixels=pixel_runs.pack(difference(empty, replay.model_labels[task], ""), shape),
    )
