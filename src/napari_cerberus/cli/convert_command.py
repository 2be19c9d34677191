"""``napari-cerberus convert``: annotations to QuPath, COCO, OME-TIFF, CSV and figures, and back."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..annotation.annotated_image import AnnotatedImage
from ..annotation.frame import Frame
from ..annotation.object_columns import CELLS
from ..annotation.object_table import measure, rows_with
from ..annotation.store import is_annotation, save_annotation
from ..errors import CerberusError, DataError, SettingsError
from ..exporting.saved_annotations import read_result
from ..inference.images.image_files import read_image
from ..inference.images.rgb import as_rgb8
from ..interop.coco import write_coco
from ..interop.coco_reading import read_coco
from ..interop.figure import write_figure
from ..interop.geojson import GeoJsonSettings, write_geojson
from ..interop.geojson_reading import ImportSettings, read_geojson
from ..interop.imported_objects import ImportedObjects
from ..interop.ome_tiff import read_label_tiff, write_label_tiff
from ..pairs.object_rows import write_table
from ..pairs.write.export_source import ExportSource
from ..pixel_size import PixelSize
from ..progress import run_to_end
from ..tasks import GLANDS, INSTANCE_TASKS
from .annotate_command import choose_pixel_size, folder_name, output_folders
from .main import EXIT_FAILED, PROGRAM, one_line
from .progress_line import ProgressLine
from .slides.slide_outlines import SLIDE_ACTION, add_slide_action, write_slides

Labels = dict[str, NDArray[np.int32]]

WRITERS: dict[str, tuple[str, Callable[[Path, ExportSource, ProgressLine], None]]] = {
    "geojson": (".geojson", lambda path, source, line: _write_geojson(path, source, line)),
    "coco": (".coco.json", lambda path, source, line: _write_coco(path, source, line)),
    "ome-tiff": (
        ".ome.tif",
        lambda path, source, _: write_label_tiff(path, source.annotated.labels, source.annotated.pixel_size),
    ),
    "csv": (".csv", lambda path, source, _: write_table(path, source.annotated.objects)),
    "png": (".png", lambda path, source, _: _write_figure(path, source)),
    "pdf": (".pdf", lambda path, source, _: _write_figure(path, source)),
}
"""Suffix and writer of each format."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``convert``."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    write = actions.add_parser("write", help="from our annotations to other programs")
    write.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="the annotated images")
    write.add_argument("--results", type=Path, required=True, metavar="DIR", help="the --out of annotate")
    write.add_argument("--out", type=Path, required=True, metavar="DIR", help="files go to DIR/<image's stem>.<suffix>")
    write.add_argument(
        "--as",
        nargs="+",
        choices=tuple(WRITERS),
        default=("geojson",),
        dest="formats",
        help="default: geojson",
    )
    read = actions.add_parser("read", help="from QuPath's GeoJSON, COCO or a label TIFF to an annotation of ours")
    read.add_argument("file", type=Path, metavar="FILE", help=".geojson, .json (COCO) or .tif")
    read.add_argument("--form", choices=tuple(READERS), help="what the file is; default: by its suffix")
    read.add_argument("--image", type=Path, required=True, metavar="IMAGE", help="the image that it belongs to")
    read.add_argument("--results", type=Path, required=True, metavar="DIR", help="goes to DIR/<image's stem>/")
    read.add_argument("--pixel-size-um", default="", metavar="X", help="of the image; default: from its file")
    read.add_argument(
        "--class", nargs=2, action="append", default=[], metavar=("NAME", "TASK"), dest="classes",
        help=f"which task a class stands for: {', '.join(INSTANCE_TASKS)}",
    )  # fmt: skip
    add_slide_action(actions)


def run(arguments: argparse.Namespace) -> int:
    """Convert; 1 if any image failed, the others are written all the same."""
    if arguments.action == SLIDE_ACTION:
        return write_slides(arguments)
    return _write(arguments) if arguments.action == "write" else _read(arguments)


def _write(arguments: argparse.Namespace) -> int:
    folders = output_folders(arguments.images, arguments.results)
    failed = [path for path, folder in folders.items() if not _write_image(path, folder, arguments)]
    return EXIT_FAILED if failed else 0


def _write_image(image: Path, folder: Path, arguments: argparse.Namespace) -> bool:
    line = ProgressLine(image.name)
    try:
        source = read_result(image, folder)
        for name in dict.fromkeys(arguments.formats):
            suffix, write = WRITERS[name]
            target = arguments.out / f"{folder.name}{suffix}"
            write(target, source, line)
            sys.stdout.write(f"{target}\n")
    except CerberusError as error:
        sys.stderr.write(f"{PROGRAM}: error: {image}: {one_line(error)}\n")
        return False
    finally:
        line.close()
    return True


def _write_geojson(path: Path, source: ExportSource, line: ProgressLine) -> None:
    settings = GeoJsonSettings(image_key=source.annotated.frame.image_key)
    run_to_end(write_geojson(path, source.annotated.labels, source.annotated.objects, settings), line)


def _write_coco(path: Path, source: ExportSource, line: ProgressLine) -> None:
    run_to_end(write_coco(path, [source.annotated]), line)


def _write_figure(path: Path, source: ExportSource) -> None:
    found = source.annotated
    write_figure(path, source.image, found.labels, found.objects, found.pixel_size.x_um)


def _read_geojson(path: Path, shape: tuple[int, int], tasks: Mapping[str, str], line: ProgressLine) -> ImportedObjects:
    return run_to_end(read_geojson(path, shape, ImportSettings(tasks=tasks)), line)


def _read_coco(path: Path, shape: tuple[int, int], tasks: Mapping[str, str], line: ProgressLine) -> ImportedObjects:
    images = run_to_end(read_coco(path), line)
    if len(images) != 1:
        raise DataError(f"{path} is about {len(images)} images; give a file about one.")
    return _by_task(path, shape, images[0], tasks)


def _read_tiff(path: Path, shape: tuple[int, int], tasks: Mapping[str, str], line: ProgressLine) -> ImportedObjects:
    planes = {name: _numbered(plane) for name, plane in read_label_tiff(path).planes.items()}
    if len(planes) == 1 and not set(planes) & {*INSTANCE_TASKS, *tasks}:
        planes = {GLANDS: next(iter(planes.values()))}
    return _by_task(path, shape, ImportedObjects(labels=planes), tasks)


READERS = {"geojson": _read_geojson, "coco": _read_coco, "tiff": _read_tiff}
FORMS = {".json": "coco", ".tif": "tiff", ".tiff": "tiff"}


def _by_task(path: Path, shape: tuple[int, int], found: ImportedObjects, tasks: Mapping[str, str]) -> ImportedObjects:
    """Planes under the tasks that they stand for; of two for one task the later lies on top."""
    labels: Labels = {}
    rows = []
    for name, plane in found.labels.items():
        task = tasks.get(name, name)
        if task not in INSTANCE_TASKS:
            raise DataError(f"{path}: {name!r} is no task; say with --class {name} TASK which it stands for.")
        if plane.shape != shape:
            raise DataError(f"{path}: {name} has shape {plane.shape}, but the image has {shape}.")
        below = labels.setdefault(task, np.zeros(shape, np.int32))
        first = int(below.max(initial=0))
        below[plane > 0] = plane[plane > 0] + first
        if len(found.objects):
            own = found.objects[found.objects["task"] == name]
            rows.append(own.assign(task=task, index=own["index"] + first))
    objects = pd.concat(rows, ignore_index=True) if rows else found.objects
    return replace(found, labels=labels, objects=objects)


def _numbered(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """The same objects with ids 1..n."""
    ids, numbers = np.unique(labels, return_inverse=True)
    return (numbers.reshape(labels.shape) + (0 if 0 in ids else 1)).astype(np.int32)


def _read(arguments: argparse.Namespace) -> int:
    tasks = dict(arguments.classes)
    strange = sorted(set(tasks.values()) - set(INSTANCE_TASKS))
    if strange:
        raise SettingsError(f"--class: {strange[0]!r} is no task; choose one of {', '.join(INSTANCE_TASKS)}.")
    target = arguments.results / folder_name(arguments.image)
    if target.exists() and not is_annotation(target):
        raise SettingsError(f"{target} exists and is no annotation of ours; choose another --results.")
    line = ProgressLine(arguments.file.name)
    image = read_image(arguments.image)
    pixels = as_rgb8(image.pixels)
    form = arguments.form or FORMS.get(arguments.file.suffix.lower(), "geojson")
    found = READERS[form](arguments.file, pixels.shape[:2], tasks, line)
    if not found.labels:
        raise DataError(f"{arguments.file} holds no object that lies on the image.")
    for note in found.notes:
        line.say(note)
    line.close()
    size = choose_pixel_size(arguments.pixel_size_um, image.pixel_size)
    annotated = AnnotatedImage(
        frame=Frame.of_image(pixels, arguments.image.stem),
        pixel_size=size,
        labels=found.labels,
        objects=_table(found, size),
        image_path=str(arguments.image.absolute()),
        notes=found.notes,
    )
    save_annotation(target, annotated)
    counts = ", ".join(f"{count} {task}" for task, count in annotated.counts.items())
    sys.stdout.write(f"{target}: {counts} (pixel size {size}, {size.source})\n")
    return 0


def _table(found: ImportedObjects, size: PixelSize) -> pd.DataFrame:
    """Geometry of the labels, and what the file says of their objects."""
    tables = []
    objects = found.objects
    for task, plane in found.labels.items():
        known = objects[objects["task"] == task] if len(objects) else pd.DataFrame(columns=["index"])
        cells = known.drop_duplicates("index").set_index("index").rename(columns={"review": "state"})
        tables.append(
            rows_with(task, measure(plane, size.mean_um), cells.reindex(columns=list(CELLS)).astype("object"))
        )
    return pd.concat(tables, ignore_index=True)
