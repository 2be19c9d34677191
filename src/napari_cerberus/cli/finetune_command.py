"""``napari-cerberus finetune``: a better model of one's own from a folder of pairs, as in the dock."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from ..errors import CerberusError, DataError, SettingsError
from ..finetune.estimate import Estimate, estimate
from ..finetune.finetune_plan import Plan, prepare
from ..finetune.finetune_settings import PRESETS, PURPOSES, FinetuneSettings
from ..finetune.run.process import begin, command_line, resume
from ..finetune.run_state import STARTING_S, RunState, read_state
from ..pairs.words import counted
from ..progress import Job, Progress, Result, run_to_end
from .progress_line import ProgressLine

_LOOK_EVERY_S = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``finetune``."""
    parser.add_argument("pairs", nargs="?", type=Path, metavar="PAIRS", help="folder of training pairs")
    parser.add_argument("--preset", choices=PRESETS, default="quick", help="default: %(default)s")
    parser.add_argument(
        "--purpose",
        choices=PURPOSES,
        default="laboratory",
        help="for patients like these, or for those of the old model too; default: %(default)s",
    )
    parser.add_argument("--base", default="", metavar="NAME_OR_PATH", help="default: the promoted model")
    parser.add_argument("--name", default="", help="of the new model; default: the base model's and the date")
    parser.add_argument("--tasks", nargs="+", default=(), metavar="TASK", help="default: all that the pairs can teach")
    parser.add_argument("--train-from-layer", type=int, metavar="N", help="encoder layers from this one on; 5: none")
    parser.add_argument("--epochs", type=int, metavar="N")
    parser.add_argument("--batch-size", type=int, metavar="N")
    parser.add_argument("--learning-rate", type=float, metavar="X")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    parser.add_argument("--estimate", action="store_true", help="say what it would do and cost here, and stop")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with an interrupted run, instead of PAIRS")


def run(arguments: argparse.Namespace) -> int:
    """Check the pairs, train in a process of its own, and tell how it goes.

    Raises
    ------
    CerberusError
        If it cannot start, or fails.
    """
    if (arguments.pairs is None) == (arguments.resume is None):
        raise SettingsError("Name a folder of pairs, or a run to go on with (--resume).")
    if arguments.resume is not None:
        folder = arguments.resume.absolute()
        resume(folder)
        return _follow(folder)
    plan = _said(prepare(settings_of(arguments)), "Checking")
    _describe(plan)
    if plan.stops:
        raise DataError(" ".join(plan.stops))
    if arguments.estimate:
        _cost(_said(estimate(plan), "Estimate"))
        return 0
    folder = begin(plan)
    sys.stderr.write(f"Run folder: {folder}\n")
    return _follow(folder)


def settings_of(arguments: argparse.Namespace) -> FinetuneSettings:
    """Settings from the arguments. Raises ``SettingsError``."""
    return FinetuneSettings(
        pairs_folder=arguments.pairs,
        name=arguments.name,
        preset=arguments.preset,
        purpose=arguments.purpose,
        base_model=arguments.base,
        tasks=tuple(arguments.tasks),
        train_from_layer=arguments.train_from_layer,
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        learning_rate=arguments.learning_rate,
        seed=arguments.seed,
    )


def _said(job: Job[Result], label: str) -> Result:
    line = ProgressLine(label)
    try:
        return run_to_end(job, line)
    finally:
        line.close()


def _describe(plan: Plan) -> None:
    for sentence in filter(None, (*plan.warnings, plan.new_head)):
        sys.stderr.write(f"note: {sentence}\n")
    sides = ", ".join(f"{name.replace('_', ' ')} {n} of {p}" for name, (n, p) in plan.sides.items())
    sys.stdout.write(f"{counted(plan.pairs, 'pair')} of {counted(plan.patients, 'patient')}\n")
    if sides:
        sys.stdout.write(f"pairs of patients by side: {sides}\n{plan.learns}\nbase model: {plan.base_name}\n")


def _cost(found: Estimate) -> None:
    memory = f", {found.memory_mb} MB of memory" if found.memory_mb else ""
    spread = f"({found.low:.1f} to {found.high:.1f})"
    sys.stdout.write(f"{found.steps} steps: about {found.minutes:.1f} minutes {spread}{memory} on this computer\n")


def _follow(folder: Path) -> int:
    """Tell how the run goes until it is over; 0 if it made a model. Ctrl+C interrupts the run too."""
    line = ProgressLine("Fine-tune")
    try:
        state = _until_over(folder, line)
    except KeyboardInterrupt:
        _interrupt(folder)
        raise
    finally:
        line.close()
    if not state.model_name:
        raise CerberusError(state.message)
    sys.stderr.write(f"{state.message}\nTo repeat it: {command_line(folder)}\n")
    sys.stdout.write(f"{state.model_name}\n")
    return 0


def _until_over(folder: Path, line: ProgressLine) -> RunState:
    while (state := read_state(folder)).live:
        training = state.status == "running" and state.step > 0
        line(Progress("Training" if training else state.message, state.step, state.steps if training else 0))
        time.sleep(_LOOK_EVERY_S)
    return state


def _interrupt(folder: Path) -> None:
    """End the run's process, and wait until it has ended: the next command may be to resume it."""
    end, killed = time.monotonic() + STARTING_S, 0
    while (state := read_state(folder)).live and time.monotonic() < end:
        if state.pid != killed:  # 0 while the process is only starting
            killed = state.pid
            with suppress(ProcessLookupError):
                os.kill(killed, signal.SIGTERM)
        time.sleep(_LOOK_EVERY_S / 5)
    sys.stderr.write(f"\nInterrupted. To go on: napari-cerberus finetune --resume {folder}\n")
