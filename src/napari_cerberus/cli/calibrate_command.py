"""``napari-cerberus calibrate``: temperature and thresholds from validation tiles, written as a new model."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from ..model.library.opening import open_model
from ..model.reference_tiles import write_references
from ..progress import run_to_end
from ..training.evaluation.calibrate_model import Calibrated, calibrate
from ..training.evaluation.keep_references import keep_references
from ..training.evaluation.selection import select_config
from ..training.run_folder import MODEL_FOLDER, SPLIT_FILE
from .progress_line import ProgressLine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``calibrate``."""
    parser.add_argument("model", metavar="RUN_OR_MODEL", help="run folder, or name or folder of a model")
    parser.add_argument("--config", type=Path, required=True, metavar="TOML", help="training config with the sources")
    parser.add_argument("--split", type=Path, metavar="FILE", help="default: the run's, else the config's")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the new model")
    parser.add_argument("--limit", type=int, metavar="N", help="use only N tiles, spread evenly")
    parser.add_argument("--tasks", type=names, metavar="A,B", help="fit only these, as lumina,nuclei; the others stay")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    parser.add_argument(
        "--references", type=int, metavar="N", help="keep N training tiles with the model: what an image resembles"
    )
    parser.add_argument(
        "--attribution", default="", metavar="TEXT", help="whose tiles these are, and their licence; keeps thumbnails"
    )
    parser.add_argument("--half", action="store_true", help="store the weights as float16")


def run(arguments: argparse.Namespace) -> int:
    """Calibrate on the validation side and say what was chosen."""
    name, split = locate(arguments.model, arguments.split)
    model = open_model(name)
    selection = select_config(arguments.config, split_path=split, side="validation")
    line = ProgressLine("calibrate")
    tasks = arguments.tasks
    if tasks is not None:
        selection = replace(selection, tiles=tuple(tile for tile in selection.tiles if tile.tasks & tasks))
    job = calibrate(
        model,
        selection.limited(arguments.limit),
        arguments.out,
        device=arguments.device,
        half_precision=arguments.half,
        tasks=tasks,
    )
    outcome = run_to_end(job, line)
    if arguments.references:
        train = select_config(arguments.config, split_path=split, side="train")
        kept = keep_references(
            open_model(str(outcome.folder)),
            train,
            selection,
            count=arguments.references,
            attribution=arguments.attribution,
            device=arguments.device,
        )
        write_references(outcome.folder, run_to_end(kept, line))
    line.close()
    for sentence in describe(outcome):
        sys.stderr.write(f"{sentence}\n")
    sys.stdout.write(f"{outcome.folder}\n")
    return 0


def names(text: str) -> frozenset[str]:
    """``lumina, nuclei`` as a set."""
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def locate(run_or_model: str, split: Path | None) -> tuple[str, Path | None]:
    """The model's name or folder and the split file: those of a run folder where one is given."""
    folder = Path(run_or_model)
    if not (folder / MODEL_FOLDER).is_dir():
        return run_or_model, split
    own = folder / SPLIT_FILE
    return str(folder / MODEL_FOLDER), split or (own if own.is_file() else None)


def describe(outcome: Calibrated) -> list[str]:
    """What was chosen, a line each."""
    lines = [f"{tile} (skipped)" for tile in outcome.skipped]
    fit = outcome.temperature
    if fit:
        lines.append(
            f"tissue: temperature {fit.temperature:.3f} from {fit.tiles} tiles; log loss {fit.log_loss_before:.3f} → "
            f"{fit.log_loss_after:.3f}, ECE {fit.ece_before:.3f} → {fit.ece_after:.3f}"
        )
    for task, choice in outcome.thresholds.items():
        point = max((one for one in choice.curve if one.threshold <= choice.threshold), key=lambda one: one.threshold)
        measured = "" if point.threshold == choice.threshold else f" at {point.threshold:g}"
        lean = "" if choice.leans_to_recall else "; no threshold gives recall ≥ precision"
        lines.append(
            f"{task}: threshold {choice.threshold:g} from {choice.tiles} tiles;{measured} Dice {point.dice:.3f}, "
            f"precision {point.precision:.3f}, recall {point.recall:.3f}, F1 {point.f1:.3f}{lean}"
        )
    return lines
