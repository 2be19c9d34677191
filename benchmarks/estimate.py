"""Does the estimate before a fine-tune hold? Estimates a run, makes it, and compares.

Library and runs lie in a temporary folder; nothing of yours is touched. Early stopping is off, since the estimate is of
a whole run, and the comparison is not counted. Exit code 1 if a preset is off by more than 30 %.

    python benchmarks/estimate.py PAIRS                       # quick and standard, as the dock would run them
    python benchmarks/estimate.py PAIRS --epochs 4            # shorter runs
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from napari_cerberus.errors import CerberusError
from napari_cerberus.finetune.estimate import estimate
from napari_cerberus.finetune.finetune_plan import Plan, prepare
from napari_cerberus.finetune.finetune_settings import PRESETS, FinetuneSettings
from napari_cerberus.finetune.run import process
from napari_cerberus.finetune.run_state import read_state
from napari_cerberus.progress import run_to_end

ALLOWED = 0.3
LOOK_EVERY_S = 0.2


def main() -> int:
    """Compare for each preset; 1 if one is off by more than is allowed."""
    arguments = _arguments()
    good = True
    with tempfile.TemporaryDirectory(prefix="estimate-") as folder:
        os.environ["NAPARI_CERBERUS_RUNS"] = f"{folder}/runs"
        os.environ["NAPARI_CERBERUS_MODELS"] = f"{folder}/models"
        for preset in arguments.presets:
            plan = _plan(arguments, preset)
            told = run_to_end(estimate(plan))
            minutes = real_minutes(plan)
            off = told.minutes / minutes - 1
            good &= abs(off) <= ALLOWED
            print(
                f"{preset}: {plan.steps} steps of {plan.pairs} pairs; estimated {told.minutes:.2f} min "
                f"({told.low:.2f} to {told.high:.2f}), {told.memory_mb} MB; took {minutes:.2f} min; off by {off:+.0%}"
            )
    return 0 if good else 1


def real_minutes(plan: Plan) -> float:
    """Run the plan to the end of its training and return the minutes it took. Raises ``CerberusError``."""
    began = time.monotonic()
    folder = process.begin(plan)
    while (state := read_state(folder)).live and state.status != "proving":
        time.sleep(LOOK_EVERY_S)
    took = (time.monotonic() - began) / 60
    if state.status in ("failed", "interrupted"):
        raise CerberusError(state.message)
    if state.live:
        process.stop(folder, "discard")
    while read_state(folder).live:
        time.sleep(LOOK_EVERY_S)
    return took


def _plan(arguments: argparse.Namespace, preset: str) -> Plan:
    settings = FinetuneSettings(
        pairs_folder=arguments.pairs, preset=preset, base_model=arguments.base, epochs=arguments.epochs
    )
    plan = run_to_end(prepare(settings))
    if plan.stops:
        raise CerberusError(" ".join(plan.stops))
    return replace(plan, config=replace(plan.config, early_stopping=replace(plan.config.early_stopping, patience=0)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare the estimate of a fine-tune with the run.")
    parser.add_argument("pairs", type=Path, help="folder of training pairs")
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=["quick", "standard"])
    parser.add_argument("--base", default="starter")
    parser.add_argument("--epochs", type=int)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
