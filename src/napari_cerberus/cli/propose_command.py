"""``napari-cerberus propose``: which images of a folder would teach a model most."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..finetune.next_fields import FieldImage, propose, see
from ..inference.images.image_files import read_image
from ..inference.images.rgb import as_rgb8
from ..model.checkpoint import Model
from ..model.library.opening import open_model
from ..pixel_size import PixelSize
from ..progress import run_to_end
from .progress_line import ProgressLine

_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``propose``."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="images to choose from")
    parser.add_argument("--labelled", type=Path, metavar="DIR", help="images that are labelled already")
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
    seen, problems = run_to_end(see(wanted, model), line)
    known, more = run_to_end(see(labelled, model), line)
    line.close()
    for problem in (*problems, *more):
        sys.stderr.write(f"Left out: {problem}\n")
    vectors = [one.vector for one in known if one.vector is not None]
    for place, field in enumerate(propose(seen, arguments.count, vectors), 1):
        sys.stdout.write(f"{place}. {field.sentence}\n")
    return 0


def _images(folder: Path, model: Model, pixel_size_um: float | None) -> Sequence[FieldImage]:
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder.")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _PICTURES)
    if not paths:
        raise DataError(f"{folder} holds no image.")
    return [FieldImage(name=path.name, load=partial(_load, path, model, pixel_size_um)) for path in paths]


def _load(path: Path, model: Model, pixel_size_um: float | None) -> tuple[NDArray[np.uint8], PixelSize]:
    stored = read_image(path)
    usual = model.spec.provenance.get("acquisition_pixel_size_um", model.spec.pixel_size_um)
    stated = PixelSize.square(pixel_size_um) if pixel_size_um else stored.pixel_size
    return as_rgb8(stored.pixels), stated or PixelSize.square(float(usual))
