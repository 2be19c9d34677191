"""From the differences of the primary figures to one plain verdict.

A task is *better* where the interval of its difference lies above 0, *worse* where it lies below. The interval is so
wide (``critical``) that where nothing differs *better* is said in no more than 5 of 100 comparisons and *worse* in no
more than 5, with several tasks together and where few patients differ much. A task that shows neither is *no
difference* only where one of ``WORTH`` would have been shown with a chance of four in five or more; else there were
too few patients. How many would do follows from the standard deviation between patients of the difference, and the
difference seen, or ``WORTH`` where that is larger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ...training.evaluation.metrics.bootstrap import MIN_PATIENTS
from .comparison_record import Row, Verdict
from .critical import MOST_PATIENTS, fewest_patients, patients_for_power

WORTH = 0.02
"""A difference of a primary figure (0..1) that is worth telling."""

Outcome = Literal["better", "worse", "none", "few"]
NOTHING_HELD_OUT = (
    "Too few patients to tell: no patient was held out, so nothing can be compared. "
    f"At least {MIN_PATIENTS} held-out patients are needed."
)


@dataclass(frozen=True, kw_only=True)
class ValidationResult:
    """A primary row, the spread between patients of its difference, and what follows."""

    row: Row
    spread: float | None
    outcome: Outcome
    needed: int | None


def judge(row: Row, spread: float | None, tasks: int, evenness: float = 1.0) -> ValidationResult:
    """What one task's row says; ``tasks`` are looked at together. For ``evenness`` see ``critical.power``."""
    needed = needed_patients(row.difference, spread, tasks, evenness)
    if row.low is not None and row.low > 0:
        return ValidationResult(row=row, spread=spread, outcome="better", needed=None)
    if row.high is not None and row.high < 0:
        return ValidationResult(row=row, spread=spread, outcome="worse", needed=None)
    seen = row.difference is not None and abs(row.difference) >= WORTH
    if row.low is not None and not seen and needed <= row.patients:
        return ValidationResult(row=row, spread=spread, outcome="none", needed=None)
    return ValidationResult(row=row, spread=spread, outcome="few", needed=max(needed, row.patients + 1))


def needed_patients(difference: float | None, spread: float | None, tasks: int, evenness: float = 1.0) -> int:
    """Held-out patients with which a difference as large as this is shown in four of five comparisons or more."""
    if spread is None:
        return fewest_patients(tasks)
    return patients_for_power(max(abs(difference or 0.0), WORTH), spread, tasks, evenness)


def verdict_of(validated: Sequence[ValidationResult]) -> tuple[Verdict, str, int | None]:
    """Verdict, sentence, and how many held-out patients would do where there were too few."""
    by = {
        outcome: [one for one in validated if one.outcome == outcome] for outcome in ("better", "worse", "none", "few")
    }
    where = _where([one.row for one in validated])
    if by["worse"]:
        but = f" Better, however: {_list(by['better'])}." if by["better"] else ""
        return "worse", f"Worse: {_list(by['worse'])} on {where}.{but}", None
    if by["better"]:
        rest = [*by["none"], *by["few"]]
        other = f" Nothing shown for {_list(rest)}." if rest else ""
        return "better", f"Better: {_list(by['better'])} on {where}.{other}", None
    if by["few"]:
        nearest = min(by["few"], key=lambda one: one.needed or 0)
        sentence = f"Too few patients to tell: {_list(by['few'])} on {where}. {_would_do(nearest.needed or 0)}"
        named = f", for {_task(nearest.row.task)}." if len(by["few"]) > 1 else "."
        return "too few patients", sentence + named, nearest.needed
    return (
        "no difference shown",
        f"No difference shown: {_list(by['none'])} on {where}; one of {WORTH:g} or more would very likely have shown.",
        None,
    )


def signed(value: float) -> str:
    """With its sign, three decimals."""
    return f"{value:+.3f}".replace("-", "−")


def interval(row: Row) -> str:
    """Figure, difference and interval of a row, in words."""
    if row.difference is None:
        return f"{_task(row.task)} {row.heading} is not defined"
    words = f"{_task(row.task)} {row.heading} {signed(row.difference)}"
    if row.low is None or row.high is None:
        return f"{words} (no interval)"
    return f"{words} ({signed(row.low)} to {signed(row.high)})"


def _would_do(patients: int) -> str:
    if patients >= MOST_PATIENTS:
        return f"It would take more than {MOST_PATIENTS:,}"
    return f"About {patients:,} would do"


def _list(judged: Sequence[ValidationResult]) -> str:
    return ", ".join(interval(one.row) for one in judged)


def _task(key: str) -> str:
    return key.replace("_", " ")


def _where(rows: Sequence[Row]) -> str:
    patients, tiles = max(row.patients for row in rows), max(row.tiles for row in rows)
    return f"{patients} held-out patient{'s' * (patients != 1)} ({tiles} tile{'s' * (tiles != 1)})"
