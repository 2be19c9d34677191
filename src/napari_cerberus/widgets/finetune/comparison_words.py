"""A comparison in words: the verdict's tone, numbers as shown, and what is asked before promoting against it."""

from __future__ import annotations

from collections.abc import Iterable

from ...finetune.comparison.comparison_record import ModelComparison, Row
from ..base.style import Tone

TONES = {
    "better": Tone.GOOD,
    "no difference shown": Tone.INFO,
    "worse": Tone.BAD,
    "too few patients": Tone.CAUTION,
}
STORY = "font-size: 15px; font-weight: 600;"
"""Look of what comes first."""

_AGAINST = {
    "worse": "The comparison says that the new model is worse. Use it all the same?",
    "no difference shown": "The comparison shows no difference to the model in use. Use the new one all the same?",
    "too few patients": "There are too few patients to tell whether the new model is better. Use it all the same?",
}


def question_before(comparison: ModelComparison | None) -> str:
    """What is asked before the model is promoted; empty where the comparison speaks for it."""
    if comparison is None:
        return "Nothing was compared about the new model. Use it all the same?"
    return question_before_verdict(comparison.verdict)


def question_before_verdict(verdict: str) -> str:
    """The same from the verdict alone."""
    return _AGAINST.get(verdict, "")


def task_of(row: Row) -> str:
    """ "glands", "glands, Polyp"; labels that a rule made are marked."""
    return f"{row.task}{f', {row.category}' if row.category else ''}{' *' if row.weak else ''}"


def number(value: float | None) -> str:
    """ "0.912"; a dash where there is none."""
    return "–" if value is None else f"{value:.3f}"


def signed(value: float | None) -> str:
    """ "+0.041"; a dash where there is none."""
    if value is None:
        return "–"
    shown = round(value, 3)
    return "0.000" if shown == 0 else f"{shown:+.3f}".replace("-", "−")


def interval(row: Row) -> str:
    """ "+0.012 to +0.070"; empty where there are too few patients for one."""
    return "" if row.low is None or row.high is None else f"{signed(row.low)} to {signed(row.high)}"


def tone_of(row: Row) -> Tone | None:
    """Good or bad where the whole interval lies on one side of 0."""
    if row.low is None or row.high is None:
        return None
    if row.low > 0:
        return Tone.GOOD
    return Tone.BAD if row.high < 0 else None


def exchanged(comparison: ModelComparison) -> str:
    """ "Objects found only by the new model: 12 glands. Only by the old one: 3 glands."."""
    tasks = tuple(dict.fromkeys((*comparison.gained, *comparison.lost)))
    if not tasks:
        return ""
    gained = ", ".join(f"{comparison.gained.get(task, 0)} {task}" for task in tasks)
    lost = ", ".join(f"{comparison.lost.get(task, 0)} {task}" for task in tasks)
    return f"Found by the new model alone: {gained}. By the old one alone: {lost}."


def story(comparison: ModelComparison) -> str:
    """What the new model finds, and what it draws wrongly; empty where no objects were drawn.

    "On your 5 patients it now finds 9 of 10 glands instead of 7, and draws 2 wrongly instead of 4."
    """
    tasks = [task for task, number in comparison.drawn.items() if number and not _weak(comparison, task)]
    if not tasks or not comparison.held_out:
        return ""
    number = len(comparison.held_out)
    whom = "patient" if number == 1 else f"{number} patients"
    return f"On your {whom} it now finds {'; '.join(_finds(comparison, task) for task in tasks)}."


def _finds(comparison: ModelComparison, task: str) -> str:
    drawn, before, after = comparison.drawn[task], comparison.found_before[task], comparison.found_after[task]
    found = f"{after:,} of {drawn:,} {task}{_instead_of(before, after)}"
    wrong_before, wrong = comparison.wrong_before.get(task, 0), comparison.wrong_after.get(task, 0)
    if not wrong and not wrong_before:
        return found
    return f"{found}, and draws {wrong or 'none'} wrongly{_instead_of(wrong_before, wrong)}"


def _instead_of(before: int, after: int) -> str:
    return ", as before" if before == after else f" instead of {before:,}"


def _weak(comparison: ModelComparison, task: str) -> bool:
    return any(row.weak for row in comparison.rows if row.task == task)


def primary(rows: Iterable[Row]) -> list[Row]:
    """The rows that the verdict rests on."""
    return [row for row in rows if row.primary]
