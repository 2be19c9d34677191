"""``napari-cerberus convert slide``: all objects of annotated slides for QuPath."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ...errors import CerberusError, SettingsError
from ...progress import run_to_end
from ...slides.slide_geojson import write_slide_geojson
from ..main import EXIT_FAILED, PROGRAM, one_line
from ..progress_line import ProgressLine

SLIDE_ACTION = "slide"


def add_slide_action(actions: Any) -> None:
    """Arguments of ``convert slide``."""
    slide = actions.add_parser(SLIDE_ACTION, help="all objects of annotated slides to QuPath's GeoJSON")
    slide.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="a folder that annotate made of a slide")
    slide.add_argument("--out", type=Path, required=True, metavar="DIR", help="files go to DIR/<folder's name>.geojson")


def write_slides(arguments: argparse.Namespace) -> int:
    """Write a file a slide; 1 if any failed, the others are written all the same. Raises ``SettingsError``."""
    targets = {folder: arguments.out / f"{folder.resolve().name}.geojson" for folder in arguments.folders}
    if len(set(targets.values())) < len(targets):
        raise SettingsError("Two of the folders have one name; write them one by one, with another --out each.")
    failed = [folder for folder, target in targets.items() if not _written(folder, target)]
    return EXIT_FAILED if failed else 0


def _written(folder: Path, target: Path) -> bool:
    line = ProgressLine(folder.name)
    try:
        count = run_to_end(write_slide_geojson(folder, target), line)
    except CerberusError as error:
        line.close()
        sys.stderr.write(f"{PROGRAM}: error: {folder}: {one_line(error)}\n")
        return False
    line.close()
    sys.stdout.write(f"{target}: {count} objects\n")
    return True
