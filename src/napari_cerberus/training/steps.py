"""Progress of jobs inside jobs."""

from __future__ import annotations

from typing import TypeVar, cast

from ..progress import Job, Progress

Result = TypeVar("Result")


def as_one_step(job: Job[Result], step: Progress) -> Job[Result]:
    """Drive ``job`` and show ``step`` at each of its own steps: a cancel comes through, noise does not."""
    try:
        while True:
            try:
                next(job)
            except StopIteration as stop:
                return cast(Result, stop.value)
            yield step
    finally:
        job.close()
