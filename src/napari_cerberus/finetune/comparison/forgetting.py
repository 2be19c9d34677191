"""Did the candidate forget what the base could do? The same comparison on a reference set, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from .comparison_record import Row
from .paired_rows import PairedScores, compare, primary_metric
from .verdict import interval

ALLOWED = 0.01
"""A loss of a primary figure up to this is no forgetting."""


def forgetting_rows(pairs: Sequence[PairedScores], same_classes: bool, weak: frozenset[str]) -> tuple[Row, ...]:
    """The primary figure of each task that both models have; empty without tiles."""
    if not pairs:
        return ()
    rows = compare(pairs, same_classes=same_classes, weak=weak).rows
    primary = [row for row in rows if not row.category and row.figure == primary_metric(row.task)]
    return tuple(row for row in primary if row.difference is not None)


def forgetting_sentence(rows: Sequence[Row], words: str) -> str:
    """What the rows say; ``words`` names the tiles."""
    if not rows:
        return f"Whether anything was forgotten cannot be said: {words} have no labels that both models predict."
    forgotten = [row for row in rows if (row.difference or 0) < -ALLOWED and row.high is not None and row.high < 0]
    kept = [row for row in rows if row.low is not None and row.low >= -ALLOWED]
    if forgotten:
        return f"Forgotten: on {words} {_list(forgotten)}."
    if len(kept) == len(rows):
        return f"Nothing was forgotten: on {words} {_list(rows)}."
    return f"No forgetting shown, but a loss of more than {ALLOWED:g} cannot be ruled out: on {words} {_list(rows)}."


def _list(rows: Sequence[Row]) -> str:
    return ", ".join(map(interval, rows))
