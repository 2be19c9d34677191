"""``napari-cerberus pairs``: check a folder of pairs, split it by patient, look for leaks between the sides."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import OutputError
from ..pairs.check.data_check import CheckReport, check_data
from ..pairs.check.leaks import LeakReport, leak_report
from ..pairs.layout.dataset import open_dataset
from ..pairs.layout.patients import join_patients
from ..pairs.problems import SEVERITIES
from ..pairs.split import Split, read_split, split_by_patient, write_split
from ..pairs.write.transaction import recover
from ..progress import run_to_end
from .main import EXIT_FAILED
from .progress_line import ProgressLine

_TITLES = {"stops": "STOPS", "skipped": "skipped", "note": "note"}
_MOST = 50
"""Problems of one severity that are listed without --all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``pairs``."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    check = actions.add_parser("check", help="find what is wrong with a data set, and say what to do")
    check.add_argument("folder", type=Path, metavar="DIR", help="tree of pairs, images/ + labels/, or class folders")
    check.add_argument("--split", type=Path, metavar="FILE", help="check this split against the data, too")
    check.add_argument("--all", action="store_true", help=f"list more than {_MOST} problems of a kind")
    repair = actions.add_parser("repair", help="finish or clean an export that was cut off")
    repair.add_argument("folder", type=Path, metavar="DIR")
    same = actions.add_parser("same-patient", help="say that ids are of one patient, renamed or there twice")
    same.add_argument("folder", type=Path, metavar="DIR")
    same.add_argument("ids", nargs="+", metavar="ID", help="as typed at the export, or numbers of the folder")
    split = actions.add_parser("split", help="split by patient, balanced by category, and write the file")
    split.add_argument("folder", type=Path, metavar="DIR")
    split.add_argument("--out", type=Path, required=True, metavar="FILE", help="for train and evaluate")
    split.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    split.add_argument(
        "--fractions",
        type=float,
        nargs=3,
        default=(0.7, 0.15, 0.15),
        metavar=("TRAIN", "VALIDATION", "TEST"),
        help="shares; default: 0.7 0.15 0.15",
    )
    split.add_argument("--overwrite", action="store_true", help="replace the file if it exists")


def run(arguments: argparse.Namespace) -> int:
    """Do the action; 1 if something was found that must not be."""
    actions = {"check": _check, "repair": _repair, "split": _split, "same-patient": _same_patient}
    return actions[arguments.action](arguments)


def _check(arguments: argparse.Namespace) -> int:
    split = read_split(arguments.split) if arguments.split is not None else None
    report = _checked(arguments.folder, split, arguments.split)
    _list_problems(report, None if arguments.all else _MOST)
    sys.stdout.write(f"{report.summary}\n")
    for category, number in report.counts.items():
        sys.stdout.write(f"  {category or '(no category)'}: {number}\n")
    return EXIT_FAILED if report.stops else 0


def _repair(arguments: argparse.Namespace) -> int:
    sys.stdout.write(f"{recover(arguments.folder) or 'Nothing to repair.'}\n")
    return 0


def _same_patient(arguments: argparse.Namespace) -> int:
    taken = open_dataset(arguments.folder).patient_digits
    sys.stdout.write(f"{join_patients(arguments.folder, arguments.ids, taken)}\n")
    return 0


def _split(arguments: argparse.Namespace) -> int:
    if arguments.out.exists() and not arguments.overwrite:
        raise OutputError(f"{arguments.out} exists; choose another --out, or give --overwrite.")
    report = _checked(arguments.folder, None, None)
    split = split_by_patient(report.records, arguments.fractions, arguments.seed)
    line = ProgressLine("split")
    leaks = run_to_end(leak_report(split, report.records), line)
    line.close()
    write_split(arguments.out, split)
    sys.stdout.write(count_table(split))
    _list_leaks(leaks)
    sys.stdout.write(f"{leaks.summary}\n{arguments.out}\n")
    return EXIT_FAILED if leaks.leaks else 0


def _checked(folder: Path, split: Split | None, split_path: Path | None) -> CheckReport:
    line = ProgressLine("check")
    try:
        return run_to_end(check_data(folder, split=split, split_path=split_path), line)
    finally:
        line.close()


def _list_problems(report: CheckReport, most: int | None) -> None:
    for severity in reversed(SEVERITIES):
        found = report.of(severity)
        for problem in found[:most]:
            sys.stdout.write(f"{_TITLES[severity]}: {problem}\n")
        if most is not None and len(found) > most:
            sys.stdout.write(f"{_TITLES[severity]}: and {len(found) - most} more; list them with --all\n")


def _list_leaks(leaks: LeakReport) -> None:
    for patient in leaks.patients:
        sides = ", ".join(f"{number} in {side}" for side, number in patient.tiles.items())
        sys.stdout.write(f"LEAK: patient {patient.patient}: {sides}\n")
    for pair in leaks.duplicates:
        sys.stdout.write(
            f"LEAK: {pair.first_id} ({pair.first_side}) looks like {pair.second_id} ({pair.second_side})\n"
        )


def count_table(split: Split) -> str:
    """Tiles by category and side, as lines of text."""
    categories = sorted({category for counts in split.counts.values() for category in counts})
    width = max([len(category) for category in categories] + [len("all")])
    lines = [" ".join([" " * width, *(f"{side:>10}" for side in split.sides)])]
    for category in categories:
        numbers = [split.counts[side].get(category, 0) for side in split.sides]
        lines.append(" ".join([category.ljust(width), *(f"{number:>10}" for number in numbers)]))
    totals = [len(ids) for ids in split.sides.values()]
    lines.append(" ".join(["all".ljust(width), *(f"{number:>10}" for number in totals)]))
    return "\n".join(lines) + "\n"
