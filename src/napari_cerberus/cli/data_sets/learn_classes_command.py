"""``napari-cerberus learn-classes``: a tissue head from one folder a class, and its confusion matrix."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ...model.checkpoint import load_model
from ...model.library.opening import open_model
from ...progress import run_to_end
from ...training.class_folders import ClassFolderSettings, ClassPlan, plan_classes
from ...training.engine.training_run import run_training
from ...training.evaluation.evaluate_model import evaluate
from ...training.evaluation.report import REPORT_FILE
from ...training.evaluation.selection import select_config
from ..progress_line import ProgressLine

_USUAL = ClassFolderSettings(pixel_size_um=1.0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``learn-classes``."""
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="one folder a class, with the tiles inside")
    parser.add_argument("--pixel-size-um", type=float, required=True, metavar="UM", help="of the tiles, in µm")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the run, model and report")
    parser.add_argument("--model", default="", metavar="NAME_OR_PATH", help="whose encoder; default: the promoted one")
    parser.add_argument("--slide", default="", metavar="REGEX", help="part of a file name that names the slide")
    parser.add_argument("--steps", type=int, default=_USUAL.steps, metavar="N", help=f"default: {_USUAL.steps}")
    parser.add_argument("--seed", type=int, default=_USUAL.seed, metavar="N", help="of the split and the training")


def run(arguments: argparse.Namespace) -> int:
    """Train, score the test side and say where both are."""
    base = open_model(arguments.model)
    settings = ClassFolderSettings(
        pixel_size_um=arguments.pixel_size_um, slide=arguments.slide, steps=arguments.steps, seed=arguments.seed
    )
    start = str(base.path) if base.path is not None else arguments.model
    plan = plan_classes(arguments.folder, arguments.out, base.spec, start, settings)
    sys.stderr.write(_said(plan))
    line = ProgressLine("learn-classes")
    try:
        folder = run_to_end(run_training(plan.config_path, arguments.out / "run", base=base), line)
        chosen = select_config(plan.config_path, split_path=plan.split_path, side="test")
        run_to_end(evaluate(load_model(folder), chosen, arguments.out / "report"), line)
    finally:
        line.close()
    sys.stdout.write(f"{folder}\n{arguments.out / 'report' / REPORT_FILE}\n")
    return 0


def _said(plan: ClassPlan) -> str:
    lines = [f"skipped: {problem}" for problem in plan.problems]
    sides = ", ".join(f"{len(ids)} {side}" for side, ids in plan.split.sides.items())
    lines.append(f"{len(plan.classes)} classes; tiles: {sides}.")
    if not plan.groups_known:
        lines.append(
            "No patient or slide is named, so tiles of one slide may be learned from and scored: "
            "the figures are too good. Add an index.csv (id, patient) or --slide."
        )
    return "\n".join(lines) + "\n"
