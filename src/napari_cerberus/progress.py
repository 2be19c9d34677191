"""What every long job yields. Long work is a plain generator of ``Progress`` that returns its result."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Progress:
    """One step of a long job.

    Attributes
    ----------
    stage : str
        What is being done, in words for the user ("Reading glands").
    done, total : int
        Finished and expected steps of this stage; ``total`` 0 means "not known".
    message : str
        Something worth telling once ("Out of memory: tiles of 512 px instead of 1024"), else empty.
    """

    stage: str
    done: int = 0
    total: int = 0
    message: str = ""

    @property
    def fraction(self) -> float | None:
        """Share done, 0..1, or None where the total is not known."""
        return min(self.done / self.total, 1.0) if self.total > 0 else None


Job = Generator[Progress, None, Result]


def run_to_end(job: Job[Result], report: Callable[[Progress], None] | None = None) -> Result:
    """Drive ``job`` to its end without a screen and return its result; the job is closed on any error."""
    try:
        while True:
            try:
                step = next(job)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            if report is not None:
                report(step)
    finally:
        job.close()


def as_one_step(job: Job[Result], step: Progress) -> Job[Result]:
    """Drive ``job`` and show ``step`` at each of its own steps: a cancel comes through, noise does not."""
    try:
        while True:
            try:
                next(job)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            yield step
    finally:
        job.close()
