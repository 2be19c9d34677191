"""``napari-cerberus svm``: a support vector machine on a model's frozen features, as tissue classifier."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import cast

from ..model.library.opening import STARTER, open_model
from ..pairs.split import Side
from ..progress import run_to_end
from ..training.evaluation.report import REPORT_FILE
from ..training.evaluation.selection import select_config
from ..training.svm import evaluate_svm
from .progress_line import ProgressLine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``svm``."""
    parser.add_argument("--model", default=STARTER, metavar="NAME_OR_PATH", help="whose encoder; default: %(default)s")
    parser.add_argument("--config", type=Path, required=True, metavar="TOML", help="training config with the sources")
    parser.add_argument("--split", type=Path, metavar="FILE", help="split file; default: the config's")
    parser.add_argument("--side", choices=("test", "validation", "train"), default="test", help="default: %(default)s")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the report")


def run(arguments: argparse.Namespace) -> int:
    """Fit, score and say where the report is."""
    wanted = cast(tuple[Side, ...], ("train", "validation", arguments.side))
    sides = {side: select_config(arguments.config, split_path=arguments.split, side=side) for side in wanted}
    line = ProgressLine("svm")
    job = evaluate_svm(open_model(arguments.model), sides, arguments.out, scored=arguments.side)
    outcome = run_to_end(job, line)
    line.close()
    if outcome.standing.kind == "training":
        sys.stderr.write(f"TRAINING DATA: {outcome.standing.sentence}\n")
    sys.stdout.write(f"{arguments.out / REPORT_FILE}\n")
    return 0
