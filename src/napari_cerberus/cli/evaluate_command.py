"""``napari-cerberus evaluate``: a model against drawn labels, with a report."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path

from ..errors import SettingsError
from ..inference.annotate_settings import RepairSettings
from ..model.checkpoint import Model
from ..model.library.opening import open_model
from ..pixel_size import PixelSize
from ..progress import run_to_end
from ..training.evaluation.evaluate_model import evaluate
from ..training.evaluation.outcome import EvaluateSettings
from ..training.evaluation.report import REPORT_FILE
from ..training.evaluation.scoring import ScoreSettings
from ..training.evaluation.selection import Selection, select_config, select_folder
from .progress_line import ProgressLine

REPAIR_STEPS = tuple(step.name for step in fields(RepairSettings))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``evaluate``."""
    parser.add_argument("--model", default="", metavar="NAME_OR_PATH", help="default: the promoted model")
    parser.add_argument("--data", type=Path, metavar="DIR", help="tree of pairs, images/ + labels/, or class folders")
    parser.add_argument("--config", type=Path, metavar="TOML", help="take the sources of a training config instead")
    parser.add_argument("--split", type=Path, metavar="FILE", help="split file; default: the config's, else none")
    parser.add_argument(
        "--side", choices=("test", "validation", "train", "all"), help="default: test with a split, else all"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the report")
    parser.add_argument(
        "--pixel-size-um",
        type=PixelSize.parse,
        metavar="X",
        help="side of a pixel of --data in µm, or its height and width: 1.13,1.50",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="score only N tiles, spread evenly")
    parser.add_argument("--resume", action="store_true", help="go on with an evaluation that was cut off")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    parser.add_argument("--sensitivity", type=float, default=0.0, metavar="S", help="as in annotate; default: 0")
    parser.add_argument(
        "--without",
        nargs="+",
        choices=(*REPAIR_STEPS, "all"),
        default=(),
        metavar="STEP",
        help=f"repair steps to leave out: {', '.join(REPAIR_STEPS)}, or all",
    )


def run(arguments: argparse.Namespace) -> int:
    """Evaluate and say where the report is."""
    model = open_model(arguments.model)
    selection = select(arguments, model).limited(arguments.limit)
    settings = EvaluateSettings(scoring=score_settings(arguments))
    line = ProgressLine("evaluate")
    outcome = run_to_end(evaluate(model, selection, arguments.out, settings, resume=arguments.resume), line)
    line.close()
    if outcome.leakage_status.kind == "training":
        sys.stderr.write(f"TRAINING DATA: {outcome.leakage_status.sentence}\n")
    sys.stdout.write(f"{arguments.out / REPORT_FILE}\n")
    return 0


def score_settings(arguments: argparse.Namespace) -> ScoreSettings:
    """Device, sensitivity and repair steps. Raises ``SettingsError``."""
    steps = {name: not {name, "all"} & set(arguments.without) for name in REPAIR_STEPS}
    return ScoreSettings(device=arguments.device, sensitivity=arguments.sensitivity, repair=RepairSettings(**steps))


def select(arguments: argparse.Namespace, model: Model) -> Selection:
    """The tiles that the arguments ask for.

    Raises
    ------
    SettingsError
        If not exactly one of ``--data`` and ``--config`` is given, or the side needs a split.
    DataError
    """
    if (arguments.data is None) == (arguments.config is None):
        raise SettingsError("Give either --data with a folder of tiles or --config with a training config.")
    if arguments.config is not None:
        if arguments.pixel_size_um is not None:
            raise SettingsError("--pixel-size-um belongs to --data; a config states the pixel size of its sources.")
        return select_config(arguments.config, split_path=arguments.split, side=arguments.side)
    return select_folder(
        arguments.data,
        model.spec.tasks,
        split_path=arguments.split,
        side=arguments.side,
        pixel_size=arguments.pixel_size_um,
    )
