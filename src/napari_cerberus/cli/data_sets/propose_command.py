"""``napari-cerberus propose``: which images of a folder would teach a model most."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ...inference.doubts.folder_images import field_images, image_paths, usual_size
from ...inference.doubts.next_fields import FieldImage, propose, see
from ...model.checkpoint import Model
from ...model.library.opening import open_model
from ...pixel_size import PixelSize
from ...progress import run_to_end
from ...tasks import INSTANCE_TASKS
from ..progress_line import ProgressLine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``propose``."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="images to choose from")
    parser.add_argument("--labelled", type=Path, metavar="DIR", help="images that are labelled already")
    parser.add_argument(
        "--task", choices=INSTANCE_TASKS, default="", help="what is corrected in them; default: all kinds"
    )
    parser.add_argument("--count", type=int, default=10, metavar="N", help="default: %(default)s")
    parser.add_argument("--model", default="", metavar="NAME_OR_PATH", help="default: the promoted model")
    parser.add_argument(
        "--pixel-size-um", type=float, metavar="X", help="default: what each file states, else the model's usual one"
    )


def run(arguments: argparse.Namespace) -> int:
    """Say which images to label next, best first."""
    model = open_model(arguments.model)
    line = ProgressLine("propose")
    wanted = _images(arguments.folder, model, arguments.pixel_size_um)
    labelled = _images(arguments.labelled, model, arguments.pixel_size_um) if arguments.labelled else []
    seen, problems = run_to_end(see(wanted, model, task=arguments.task), line)
    known, more = run_to_end(see(labelled, model), line)
    line.close()
    for problem in (*problems, *more):
        sys.stderr.write(f"Left out: {problem}\n")
    vectors = [one.vector for one in known if one.vector is not None]
    for place, field in enumerate(propose(seen, arguments.count, vectors), 1):
        sys.stdout.write(f"{place}. {field.sentence}\n")
    return 0


def _images(folder: Path, model: Model, pixel_size_um: float | None) -> list[FieldImage]:
    said = PixelSize.square(pixel_size_um) if pixel_size_um else None
    return field_images(image_paths(folder), assumed=usual_size(model), pixel_size=said)
