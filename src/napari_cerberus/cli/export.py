"""``napari-cerberus export``: images and their annotations in, training pairs in EBHI's form out."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

from ..errors import CerberusError, SettingsError
from ..inference.image import as_rgb8
from ..inference.reading import read_image
from ..inference.saved import read_annotation
from ..pairs.export import write_export
from ..pairs.plan import ExportPlan, plan_export
from ..pairs.source import (
    Choice,
    Cut,
    ExportSettings,
    ExportSource,
    Small,
    WhenChanged,
    WhenEmpty,
)
from ..progress import run_to_end
from ..tasks import GLANDS, INSTANCE_TASKS
from .annotate import output_folders
from .export_index import FromReadout, ImageFacts, facts_of
from .main import EXIT_FAILED, PROGRAM, one_line
from .report import ProgressLine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``export``."""
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="the annotated images")
    parser.add_argument(
        "--results", type=Path, required=True, metavar="DIR", help="the --out of annotate: DIR/<image's stem>/"
    )
    parser.add_argument("--to", type=Path, required=True, metavar="DATASET", help="folder of pairs; made or added to")
    parser.add_argument("--dry-run", action="store_true", help="say what would be written, and write nothing")
    _add_facts(parser)
    _add_mask(parser)
    _add_tiles(parser)


def _add_facts(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("whose tissue, and what it is")
    whose = group.add_mutually_exclusive_group(required=True)
    whose.add_argument("--patient", metavar="ID", help="patient of all these images")
    whose.add_argument("--patient-unknown", action="store_true", help="each image counts as a patient of its own")
    whose.add_argument(
        "--index", type=Path, metavar="CSV", help="columns image, patient, and if wanted category and block"
    )
    what = group.add_mutually_exclusive_group()
    what.add_argument("--category", metavar="NAME", help="of all these images; made where it does not exist yet")
    what.add_argument(
        "--category-from-readout", action="store_true", help="the model's, where its readout is clear; else an error"
    )
    group.add_argument("--block", type=int, default=1, metavar="N", help="tissue block; default: %(default)s")
    group.add_argument("--magnification", type=int, default=400, metavar="N", help="default: %(default)s")
    group.add_argument("--annotator", default="", metavar="NAME", help="kept in the sidecars")


def _add_mask(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("mask")
    group.add_argument("--task", choices=INSTANCE_TASKS, default=GLANDS, help="default: %(default)s")
    group.add_argument("--objects", choices=get_args(Choice), default="all", help="default: %(default)s")
    group.add_argument("--empty", choices=get_args(WhenEmpty), default="leave_out", help="tiles without an object")
    group.add_argument("--when-changed", choices=get_args(WhenChanged), default="ask", help="tiles exported before")


def _add_tiles(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("tiles")
    group.add_argument("--tile-px", type=int, default=224, metavar="N", help="default: %(default)s")
    group.add_argument("--pixel-size-um", type=float, metavar="X", help="of the tiles; default: the image's own")
    group.add_argument("--cut", choices=get_args(Cut), default="grid", help="default: %(default)s")
    group.add_argument("--overlap-px", type=int, default=0, metavar="N", help="default: %(default)s")
    group.add_argument("--min-tissue", type=float, default=0.25, metavar="SHARE", help="default: %(default)s")
    group.add_argument("--small", choices=get_args(Small), default="pad", help="images smaller than a tile")


def run(arguments: argparse.Namespace) -> int:
    """Export every image; 1 if any of them failed, the others are written all the same."""
    facts = facts_of(arguments)
    settings_for(arguments, ImageFacts(patient_id=None, category="any", block=arguments.block))
    folders = output_folders(arguments.images, arguments.results)
    failed = [path for path, folder in folders.items() if not _export_file(path, folder, facts[path], arguments)]
    if failed and len(folders) > 1:
        sys.stderr.write(f"{PROGRAM}: {len(failed)} of {len(folders)} images failed.\n")
    return EXIT_FAILED if failed else 0


def settings_for(arguments: argparse.Namespace, facts: ImageFacts) -> ExportSettings:
    """The settings of one image. Raises ``SettingsError``."""
    if isinstance(facts.category, FromReadout):
        raise SettingsError("The category is not known yet.")
    return ExportSettings(
        patient_id=facts.patient_id,
        category=facts.category,
        block=facts.block,
        magnification=arguments.magnification,
        task=arguments.task,
        objects=arguments.objects,
        pixel_size_um=arguments.pixel_size_um,
        tile_px=arguments.tile_px,
        cut=arguments.cut,
        overlap_px=arguments.overlap_px,
        min_tissue_share=arguments.min_tissue,
        small=arguments.small,
        empty=arguments.empty,
        when_changed=arguments.when_changed,
    )


def read_source(path: Path, folder: Path, annotator: str = "") -> ExportSource:
    """An image and its saved annotation.

    Raises
    ------
    ImageError, DataError
        If a file is missing or damaged, or the image changed since it was annotated.
    """
    saved = read_annotation(folder)
    return ExportSource(
        image=as_rgb8(read_image(path).pixels),
        labels=saved.labels,
        objects=saved.objects.rename(columns={"state": "review"}),
        pixel_size_um=saved.pixel_size_um,
        name=path.name,
        path=path,
        expected_sha256=saved.image_sha256,
        model_name=saved.model_name,
        model_sha256=saved.model_sha256,
        annotator=annotator,
        tissue=saved.tissue,
    )


def _export_file(path: Path, folder: Path, facts: ImageFacts, arguments: argparse.Namespace) -> bool:
    """Export one image; False, with one line on stderr, if that failed."""
    line = ProgressLine(path.name)
    try:
        source = read_source(path, folder, arguments.annotator)
        settings = settings_for(arguments, replace(facts, category=facts.category_for(source)))
        plan = run_to_end(plan_export(arguments.to, source, settings), line)
        for note in plan.notes:
            line.say(note)
        said = plan.summary if arguments.dry_run else run_to_end(write_export(plan), line).summary
    except CerberusError as error:
        line.close()
        sys.stderr.write(f"{PROGRAM}: error: {path}: {one_line(error)}\n")
        return False
    line.close()
    sys.stdout.write(f"{path.name}: {said}\n")
    if arguments.dry_run:
        _list(plan)
    return True


def _list(plan: ExportPlan) -> None:
    for pair in plan.pairs:
        sys.stdout.write(f"  {plan.settings.category}/{pair.name}  {pair.status}, {pair.objects} object(s)\n")
