"""How many objects of each task a person has looked at: what the export proposes its answers from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from ..pairs.object_rows import ACCEPTED_STATES, REJECTED_STATES
from ..pairs.words import counted


@dataclass(frozen=True, kw_only=True)
class ReviewCount:
    """Of one task.

    Attributes
    ----------
    reviewed : int
        Objects that were accepted, edited or rejected.
    total : int
    finished : bool
        All of the annotated part was called right.
    """

    reviewed: int = 0
    total: int = 0
    finished: bool = False

    @property
    def complete(self) -> bool:
        """Whether every object was decided on, or all was finished; False where nobody touched anything."""
        return self.finished or 0 < self.reviewed == self.total

    @property
    def sentence(self) -> str:
        """ "4 of 1,252 objects reviewed"."""
        if self.finished:
            return f"finished, with {counted(self.total, 'object')}"
        return f"{self.reviewed:,} of {counted(self.total, 'object')} reviewed" if self.total else "no object reviewed"

    def __add__(self, other: ReviewCount) -> ReviewCount:
        finished = self.complete and other.complete
        return ReviewCount(reviewed=self.reviewed + other.reviewed, total=self.total + other.total, finished=finished)


def count_reviewed(objects: pd.DataFrame, tasks: Iterable[str]) -> dict[str, ReviewCount]:
    """Counts of each of ``tasks`` from an object table with columns ``task``, ``index`` and ``review`` or ``state``."""
    if "task" not in objects:
        return {task: ReviewCount() for task in tasks}
    state = next((objects[name] for name in ("review", "state") if name in objects), None)
    decided = pd.Series(False, objects.index) if state is None else state.isin(ACCEPTED_STATES | REJECTED_STATES)
    of = {task: objects["task"] == task for task in tasks}
    return {task: ReviewCount(reviewed=int((mine & decided).sum()), total=int(mine.sum())) for task, mine in of.items()}


def counted_together(images: Iterable[Mapping[str, ReviewCount]]) -> dict[str, ReviewCount]:
    """The sums over several images."""
    sums: dict[str, ReviewCount] = {}
    for counts in images:
        for task, count in counts.items():
            sums[task] = sums[task] + count if task in sums else count
    return sums
