"""``napari-cerberus train``: the training engine from a terminal."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..progress import Progress, run_to_end
from ..training.engine.training_run import run_training


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``train``."""
    parser.add_argument("config", type=Path, help="TOML file that names data, split, seed and schedule")
    parser.add_argument("--out", type=Path, required=True, help="run folder: checkpoint, metrics and the new model")
    parser.add_argument("--resume", action="store_true", help="go on from the folder's last checkpoint")


def run(arguments: argparse.Namespace) -> int:
    """Train and say where the model is."""
    folder = run_to_end(run_training(arguments.config, arguments.out, resume=arguments.resume), _report)
    sys.stdout.write(f"{folder}\n")
    return 0


def _report(step: Progress) -> None:
    counter = f" {step.done}/{step.total}" if step.total else ""
    sys.stderr.write(f"{step.stage}{counter} {step.message}\n")
