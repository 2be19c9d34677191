"""``napari-cerberus import-data``: an open data set, as its authors publish it, as a folder of training pairs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ...pairs.published_data.catalogue import SETS, set_named
from ...pairs.published_data.importing import Imported, import_set
from ...progress import run_to_end
from ..main import EXIT_FAILED
from ..progress_line import ProgressLine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``import-data``."""
    names = ", ".join(one.key for one in SETS)
    parser.add_argument("name", metavar="NAME", help=f"which set: {names}")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the folder that its archive was unpacked into")
    parser.add_argument("--to", type=Path, required=True, metavar="PAIRS", help="folder of pairs; made, or added to")
    parser.add_argument("--pixel-size", type=float, metavar="UM", help="µm, where the authors state none or another")


def run(arguments: argparse.Namespace) -> int:
    """Import; 1 if a file was left out."""
    chosen = set_named(arguments.name)
    line = ProgressLine("import-data")
    try:
        job = import_set(chosen, arguments.folder, arguments.to, pixel_size_um=arguments.pixel_size)
        done = run_to_end(job, line)
    finally:
        line.close()
    for problem in done.problems:
        sys.stdout.write(f"skipped: {problem}\n")
    sys.stdout.write(f"{_summary(done)}\n{done.licence.sentence}\n")
    return EXIT_FAILED if done.problems else 0


def _summary(done: Imported) -> str:
    known = "" if done.patients_known else " (the set does not name the patient of every image)"
    return (
        f"{done.written} pairs written, {done.there_already} there already, {len(done.problems)} left out; "
        f"{done.patients} patients{known}."
    )
