"""Whole slides for ``napari-cerberus annotate``: on the workers of dask, one folder a slide and one table of all."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import CerberusError
from ...inference.annotate_settings import AnnotateSettings
from ...model.checkpoint import Model
from ...model.library.opening import open_model
from ...pixel_size import PixelSize
from ...progress import run_to_end
from ...slides import open_slide
from ...slides.cohort import SlideTask, annotate_on_cluster
from ...slides.cohort_table import COHORT_TABLE, write_cohort_table
from ...slides.local_cluster import local_client, remote_client
from ...slides.slide_geojson import write_slide_geojson
from ..main import PROGRAM, one_line
from ..progress_line import ProgressLine

GEOJSON = "objects.geojson"


def add_slide_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that only whole slides need."""
    group = parser.add_argument_group("whole slides")
    group.add_argument(
        "--scheduler",
        default="",
        metavar="ADDRESS",
        help="address of a running dask scheduler (tcp://host:8786); its workers need the same folders",
    )
    group.add_argument("--geojson", action="store_true", help=f"also write DIR/<slide>/{GEOJSON} for QuPath")
    group.add_argument(
        "--workers", type=int, default=1, metavar="N", help="worker processes on this computer; default: 1"
    )


def annotate_slides(
    folders: Mapping[Path, Path], model: Model, arguments: argparse.Namespace, settings: Mapping[Path, AnnotateSettings]
) -> list[Path]:
    """Annotate slides into their folders and write the table of all that succeeded; returns those that failed.

    Raises
    ------
    SettingsError
        If the scheduler cannot be reached, or the number of workers makes no sense.
    OutputError
        If the table cannot be written.
    """
    failed = []
    with _client(arguments) as client:
        for path, folder in folders.items():
            task = SlideTask(path=path, folder=folder, settings=settings[path], open_model=_opener(model))
            if not _annotate_one(task, client, geojson=arguments.geojson):
                failed.append(path)
    done = [folder for path, folder in folders.items() if path not in failed]
    if done:
        write_cohort_table(done, arguments.out / COHORT_TABLE)
        sys.stdout.write(f"{arguments.out / COHORT_TABLE}: {len(done)} slides\n")
    return failed


def stated_size(path: Path) -> PixelSize | None:
    """Of a slide, where its file says so. Raises ``ImageError``."""
    return open_slide(path).pixel_size


def _opener(model: Model) -> Any:
    return partial(open_model, str(model.path or model.name), model.sha256)


def _annotate_one(task: SlideTask, client: Any, *, geojson: bool) -> bool:
    line = ProgressLine(task.path.name)
    try:
        result = run_to_end(annotate_on_cluster(task, client), line)
        if geojson:
            run_to_end(write_slide_geojson(task.folder, task.folder / GEOJSON), line)
    except CerberusError as error:
        line.close()
        sys.stderr.write(f"{PROGRAM}: error: {task.path}: {one_line(error)}\n")
        return False
    line.close()
    area = f"{result.tissue_mm2:.2f} mm² of tissue"
    sys.stdout.write(f"{result.folder}: {result.objects} objects on {area} ({result.seconds:.0f} s)\n")
    return True


def _client(arguments: argparse.Namespace) -> Any:
    """A client of the scheduler that was named, or of workers of our own."""
    return remote_client(arguments.scheduler) if arguments.scheduler else local_client(arguments.workers)
