"""Who worked on an annotation and what it cost, for the sidecars."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from ..annotation.effort import effort_of
from ..errors import DataError

logger = logging.getLogger(__name__)

_TOTALS = {"active_seconds": "active_s", "edits": "edits", "decisions": "decisions", "changed_px": "changed_px"}
"""Name in the sidecar: column of ``annotation.effort.effort_of``."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a person put into an annotation.

    Attributes
    ----------
    annotator : str
        Names, separated by commas; empty if nobody gave one.
    effort : mapping of str to float
        ``active_seconds``, ``edits``, ``decisions``, ``changed_px``; empty where no journal was kept.
    """

    annotator: str = ""
    effort: Mapping[str, float] = field(default_factory=dict)


def work_of(objects: pd.DataFrame, journal: Path | None, otherwise: str = "") -> Work:
    """Read a journal, and the table's column ``changed_by``.

    Parameters
    ----------
    objects : DataFrame
        Object table.
    journal : Path or None
        A damaged one counts as none: it must not stand in the way of an export.
    otherwise : str
        Who stands for the annotation where nobody's change is known.
    """
    history = _history(journal)
    names = dict.fromkeys((*_names_in(history), *_names_of(objects)))
    totals = {name: float(history[column].sum()) for name, column in _TOTALS.items()} if len(history) else {}
    return Work(annotator=", ".join(names) or otherwise.strip(), effort=totals)


def _history(journal: Path | None) -> pd.DataFrame:
    if journal is None or not journal.is_file():
        return pd.DataFrame()
    try:
        return effort_of(journal)
    except DataError as error:
        logger.warning("The effort is not known: %s", error)
        return pd.DataFrame()


def _names_in(history: pd.DataFrame) -> Iterator[str]:
    for joined in history["annotators"] if len(history) else ():
        yield from (name for name in str(joined).split(", ") if name)


def _names_of(objects: pd.DataFrame) -> Iterator[str]:
    for name in objects["changed_by"].unique() if "changed_by" in objects else ():
        if isinstance(name, str) and name:
            yield name
