"""The jobs behind Fine-tune, as plain generators: look at the pairs and time some steps, then start the run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...finetune.finetune_settings import FinetuneSettings
from ...progress import Job, Progress

if TYPE_CHECKING:
    from ...finetune.estimate import Estimate
    from ...finetune.finetune_plan import Plan


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What is known before a fine-tune starts.

    Attributes
    ----------
    plan : Plan
    estimate : Estimate or None
        None where the plan cannot start.
    """

    plan: Plan
    estimate: Estimate | None


def check_job(settings: FinetuneSettings) -> Job[Checked]:
    """Look at the pairs, make the split, and time a few steps on this computer."""
    yield Progress("Looking at the pairs")
    from ...finetune.estimate import estimate
    from ...finetune.finetune_plan import prepare

    plan = yield from prepare(settings)
    if plan.stops:
        return Checked(plan=plan, estimate=None)
    return Checked(plan=plan, estimate=(yield from estimate(plan)))


def begin_job(plan: Plan) -> Job[Path]:
    """Write the run folder and start its process; returns the folder."""
    yield Progress("Starting the run")
    from ...finetune.run.process import begin

    return begin(plan)


def resume_job(folder: Path) -> Job[Path]:
    """Go on with an interrupted run from its last checkpoint; returns its folder."""
    yield Progress("Going on from the last checkpoint")
    from ...finetune.run.process import resume

    resume(folder)
    return folder
