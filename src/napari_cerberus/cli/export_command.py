"""``napari-cerberus export``: images and their annotations in, training pairs in EBHI's form out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

from ..errors import SettingsError
from ..exporting.export_jobs import ExportTask, Outcome, Preview, export_job, preview_job
from ..exporting.saved_annotations import find_saved, read_result
from ..pairs.words import counted
from ..pairs.write.export_source import Choice, Cut, ExportSettings, ExportSource, Small, WhenChanged, WhenEmpty
from ..progress import run_to_end
from ..tasks import GLANDS, INSTANCE_TASKS
from .annotate_command import output_folders
from .export_index import FromReadout, ImageFacts, facts_of
from .main import EXIT_FAILED, PROGRAM, one_line
from .progress_line import ProgressLine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``export``."""
    parser.add_argument("images", nargs="*", type=Path, metavar="IMAGE", help="annotated images, with --results")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--results", type=Path, metavar="DIR", help="the --out of annotate: DIR/<image's stem>/")
    where.add_argument(
        "--saved",
        type=Path,
        metavar="DIR",
        help="every annotation in DIR and below it: folders *.cerberus of the dock, results of annotate",
    )
    parser.add_argument(
        "--images-in",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="with --saved: where images lie, if neither where they were nor beside the annotations",
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
    whose.add_argument("--patient-unknown", action="store_true", help="each file counts as a patient of its own")
    whose.add_argument(
        "--index", type=Path, metavar="CSV", help="columns image, patient, and if wanted category and block"
    )
    group.add_argument(
        "--keep-patient-ids",
        action="store_true",
        help="ids are study numbers that name nobody: write them as they are, instead of numbers made here",
    )
    what = group.add_mutually_exclusive_group()
    what.add_argument("--category", metavar="NAME", help="of all these images; made where it does not exist yet")
    what.add_argument(
        "--category-from-readout",
        action="store_true",
        help="the model's, where its readout is clear, else an error; recorded as not confirmed, and never learned",
    )
    group.add_argument("--block", type=int, default=1, metavar="N", help="tissue block; default: %(default)s")
    group.add_argument("--magnification", type=int, default=400, metavar="N", help="default: %(default)s")
    group.add_argument(
        "--annotator", default="", metavar="NAME", help="kept in the sidecars where the annotation names nobody"
    )


def _add_mask(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("mask")
    group.add_argument("--task", choices=INSTANCE_TASKS, default=GLANDS, help="default: %(default)s")
    group.add_argument(
        "--checked",
        default="",
        metavar="TASKS",
        help=f"of which tasks all objects in these tiles are right, separated by commas ({', '.join(INSTANCE_TASKS)}): "
        "only these are learned from; default: none",
    )
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
    settings_for(arguments, ImageFacts(patient_id=None, category="any", block=arguments.block))
    export_tasks, problems = _saved_orders(arguments) if arguments.saved is not None else (_orders(arguments), ())
    for problem in problems:
        _complain(problem)
    failed = _preview(export_tasks, arguments) if arguments.dry_run else _export(export_tasks, arguments)
    failed += len(problems)
    total = len(export_tasks) + len(problems)
    if failed and total > 1:
        sys.stderr.write(f"{PROGRAM}: {failed} of {total} images failed.\n")
    return EXIT_FAILED if failed else 0


def settings_for(arguments: argparse.Namespace, facts: ImageFacts) -> ExportSettings:
    """The settings of one image. Raises ``SettingsError``."""
    if isinstance(facts.category, FromReadout):
        raise SettingsError("The category is not known yet.")
    return ExportSettings(
        patient_id=facts.patient_id,
        keep_patient_id=arguments.keep_patient_ids,
        category=facts.category,
        block=facts.block,
        magnification=arguments.magnification,
        task=arguments.task,
        checked=tuple(name.strip() for name in arguments.checked.split(",") if name.strip()),
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


def _orders(arguments: argparse.Namespace) -> list[ExportTask]:
    """For the named images, whose results lie in one folder."""
    if not arguments.images:
        raise SettingsError("Name the images whose results are in --results, or give --saved instead.")
    facts = facts_of((path.name for path in arguments.images), arguments)
    return [
        _order(path.name, partial(read_result, path, folder, arguments.annotator), facts[path.name], arguments)
        for path, folder in output_folders(arguments.images, arguments.results).items()
    ]


def _saved_orders(arguments: argparse.Namespace) -> tuple[list[ExportTask], tuple[str, ...]]:
    """For every annotation of a folder; and what cannot be read."""
    if arguments.images:
        raise SettingsError("--saved finds the images itself; name none, or use --results.")
    line = ProgressLine(str(arguments.saved))
    found = run_to_end(find_saved(arguments.saved, arguments.images_in), line)
    line.close()
    facts = facts_of((saved.name for saved in found.images), arguments)
    export_tasks = [
        _order(saved.name, partial(saved.read, arguments.annotator), facts[saved.name], arguments)
        for saved in found.images
    ]
    return export_tasks, found.problems


def _order(name: str, read: Callable[[], ExportSource], facts: ImageFacts, arguments: argparse.Namespace) -> ExportTask:
    """One image; choices that make no sense are found before any image is read. Raises ``SettingsError``."""
    if not isinstance(facts.category, FromReadout):
        try:
            known = settings_for(arguments, facts)
        except SettingsError as error:
            raise SettingsError(f"{name}: {error}") from error
        return ExportTask(name=name, read=read, settings=lambda source: known)

    def settings(source: ExportSource) -> ExportSettings:
        known = settings_for(arguments, replace(facts, category=facts.category_for(source)))
        return replace(known, category_confirmed=False)

    return ExportTask(name=name, read=read, settings=settings)


def _export(export_tasks: Sequence[ExportTask], arguments: argparse.Namespace) -> int:
    """Write image after image; the number of those that failed."""
    whole = Outcome(root=arguments.to)
    for order in export_tasks:
        line = ProgressLine(order.name)
        one = run_to_end(export_job(Outcome(root=arguments.to), [order]), line)
        for note in one.notes:
            line.say(note)
        line.close()
        for problem in one.failed:
            _complain(problem)
        for result in one.results:
            sys.stdout.write(f"{order.name}: {result.summary}\n")
        whole.results += one.results
        whole.failed += one.failed
    if len(export_tasks) > 1:
        sys.stdout.write(f"{counted(len(whole.results), 'image')}: {whole.sentence}\n")
    return len(whole.failed)


def _preview(export_tasks: Sequence[ExportTask], arguments: argparse.Namespace) -> int:
    """List what would be written; the number of images that would fail."""
    line = ProgressLine("export")
    preview: Preview = run_to_end(preview_job(arguments.to, export_tasks), line)
    for note in preview.notes:
        line.say(note)
    line.close()
    for problem in preview.problems:
        _complain(problem)
    for summary in preview.summaries:
        sys.stdout.write(f"{summary}\n")
    for pair in preview.pairs:
        sys.stdout.write(
            f"  {pair.image}: {pair.category}/{pair.name}  {pair.status}, {counted(pair.objects, 'object')}\n"
        )
    sys.stdout.write(f"{preview.headline}; nothing was written.\n")
    return len(preview.problems)


def _complain(problem: str) -> None:
    sys.stderr.write(f"{PROGRAM}: error: {one_line(problem)}\n")
