"""``napari-cerberus release``: a trained and evaluated model as it is shipped, in half precision and with its card."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..decode_errors import reason_of
from ..errors import DataError
from ..model.library.opening import open_model
from ..training.evaluation.model_card import read_report, release


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``release``."""
    parser.add_argument("model", metavar="NAME_OR_PATH")
    parser.add_argument("--report", type=Path, required=True, metavar="JSON", help="report.json of evaluate")
    parser.add_argument("--about", type=Path, required=True, metavar="MD", help="the card's own words: data, limits")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the released model")


def run(arguments: argparse.Namespace) -> int:
    """Write the folder and print the SHA-256 of the weights."""
    try:
        about = arguments.about.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{arguments.about} cannot be read: {reason_of(error)}.") from error
    sha256 = release(open_model(arguments.model), about, read_report(arguments.report), arguments.out)
    sys.stdout.write(f"{sha256}\n")
    return 0
