"""``napari-cerberus annotate``: images in, label images, a table and a summary out, one folder per image."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..annotation.frame import Frame
from ..annotation.store import check_target, save_annotation
from ..errors import CerberusError, ImageError
from ..inference.annotate import Annotation, annotate
from ..inference.annotate_settings import AnnotateSettings
from ..inference.device import choose_runtime
from ..inference.images.brightness import checked_brightness
from ..inference.images.image_files import read_image
from ..inference.images.rgb import to_rgb8
from ..model.checkpoint import Model
from ..model.library.opening import open_model
from ..model.library.promotion import promoted_and_note
from ..pixel_size import ASSUMED_UM, PixelSize, PixelSizeSource
from ..progress import run_to_end
from ..slides.slide_files.open_slide import looks_like_slide, open_slide
from ..tasks import objects_of
from .main import EXIT_FAILED, PROGRAM, one_line
from .progress_line import ProgressLine
from .slides.slide_jobs import add_slide_arguments, annotate_slides, stated_size

if TYPE_CHECKING:
    from ..adaptation.stain import StainImage

_NAMELESS = "image"
"""Folder of an image whose name consists of dots."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``annotate``."""
    parser.add_argument(
        "images", nargs="+", type=Path, metavar="IMAGE", help="PNG, TIFF, JPEG, WebP ... or whole slides"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="results go to DIR/<image's stem>/")
    parser.add_argument("--model", default="", metavar="NAME_OR_PATH", help="default: the promoted model")
    parser.add_argument(
        "--pixel-size-um",
        default="",
        metavar="X",
        help="side of a pixel in µm, or its height and width as 1.13,1.50; default: from the file, else assumed",
    )
    parser.add_argument(
        "--full-brightness",
        type=float,
        metavar="X",
        help="the value that is white in 16-bit and float images; default: found from the whole image (and said)",
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    parser.add_argument("--tile-size-px", type=int, metavar="N", help="changes memory and time, never the result")
    parser.add_argument(
        "--sensitivity",
        type=float,
        default=0.0,
        metavar="S",
        help="-1 leans toward precision, 1 toward recall; default: %(default)s",
    )
    parser.add_argument(
        "--flips",
        action="store_true",
        help="confidence also says how well each object is found again in the mirrored image; takes 4 times as long",
    )
    parser.add_argument(
        "--adapt",
        metavar="NAME",
        default="",
        help="first adapt the model, without labels, to the stain of all these images, keep it in the library under "
        "this name, and annotate with it",
    )
    add_slide_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Annotate every image; 1 if any of them failed, the others are done all the same."""
    settings_for(arguments, choose_pixel_size(arguments.pixel_size_um, None))  # before anything is loaded
    if arguments.full_brightness is not None:
        checked_brightness(arguments.full_brightness)
    choose_runtime(arguments.device)
    model = open_model(arguments.model or _promoted_name())
    if arguments.adapt:
        model = _adapted(model, arguments)
    folders = output_folders(arguments.images, arguments.out)
    slides = {path: folder for path, folder in folders.items() if looks_like_slide(path)}
    pictures = {path: folder for path, folder in folders.items() if path not in slides}
    failed = [path for path, folder in pictures.items() if not _annotate_file(path, folder, model, arguments)]
    if slides:
        failed += _annotate_slides(slides, model, arguments)
    if failed and len(folders) > 1:
        sys.stderr.write(f"{PROGRAM}: {len(failed)} of {len(folders)} images failed.\n")
    return EXIT_FAILED if failed else 0


def _adapted(model: Model, arguments: argparse.Namespace) -> Model:
    """The model adapted to the stain of all images, out of the library. Raises ``CerberusError``."""
    from ..adaptation.adapted_model import keep_model
    from ..adaptation.stain import adapt_to_stain, stain_card

    line = ProgressLine("adapt")
    images = [_stain_image(path, model, arguments) for path in dict.fromkeys(arguments.images)]
    adapted = run_to_end(adapt_to_stain(images, model, arguments.adapt), line)
    entry = run_to_end(keep_model(adapted, arguments.adapt, stain_card(adapted, model)), line)
    line.close()
    sys.stderr.write(f"“{entry.name}” was added to the models of this computer.\n")
    return open_model(entry.name)


def _stain_image(path: Path, model: Model, arguments: argparse.Namespace) -> StainImage:
    from ..adaptation.stain import StainImage

    try:
        if looks_like_slide(path):
            slide = open_slide(path)
            pixels, stated = slide.levels[0], slide.pixel_size
        else:
            stored = read_image(path)
            pixels, stated = stored.pixels, stored.pixel_size
    except CerberusError as error:
        raise ImageError(f"{path}: {error}") from error
    size = choose_pixel_size(arguments.pixel_size_um, stated)
    return StainImage(pixels=pixels, pixel_size=size, name=path.name, full_brightness=arguments.full_brightness)


def _annotate_slides(slides: Mapping[Path, Path], model: Model, arguments: argparse.Namespace) -> list[Path]:
    """Annotate whole slides; those that failed."""
    settings: dict[Path, AnnotateSettings] = {}
    for path in slides:
        try:
            size = choose_pixel_size(arguments.pixel_size_um, stated_size(path))
        except CerberusError as error:
            sys.stderr.write(f"{PROGRAM}: error: {path}: {one_line(error)}\n")
            continue
        if size.assumed:
            sys.stderr.write(f"{path.name}: the file does not say how large a pixel is; ASSUMED {size}.\n")
        settings[path] = settings_for(arguments, size)
    readable = {path: folder for path, folder in slides.items() if path in settings}
    failed = [path for path in slides if path not in settings]
    return failed + (annotate_slides(readable, model, arguments, settings) if readable else [])


def _promoted_name() -> str:
    """Name of the model in use; where it is not the one that was promoted, that is said."""
    entry, note = promoted_and_note()
    if note:
        sys.stderr.write(f"{note}\n")
    return entry.name


def output_folders(images: Sequence[Path], out: Path) -> dict[Path, Path]:
    """A folder of its own for each image: ``out/<stem>``, or ``out/<stem>_2`` and so on where that is taken.

    Names that differ only in upper and lower case count as taken, because some file systems do not tell them apart.
    An image named twice is done once.
    """
    folders: dict[Path, Path] = {}
    taken: set[str] = set()
    for path in images:
        if path in folders:
            continue
        stem = folder_name(path)
        name, number = stem, 1
        while name.casefold() in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(name.casefold())
        folders[path] = out / name
        if number > 1:
            sys.stderr.write(f"{path}: {stem} is taken by another image, so results go to {out / name}\n")
    return folders


def folder_name(image: Path) -> str:
    """Of the results of an image: its name without suffix; "." and ".." are no folders of their own."""
    return image.stem.rstrip(". ") or _NAMELESS


def choose_pixel_size(given: str, in_file: PixelSize | None) -> PixelSize:
    """The best that is known: what the user gave, what the file says, or a stated assumption.

    Raises
    ------
    SettingsError
        If ``given`` is neither empty nor one or two numbers that make sense.
    """
    if given:
        return PixelSize.parse(given, PixelSizeSource.USER)
    return in_file or PixelSize.square(ASSUMED_UM, PixelSizeSource.ASSUMED)


def settings_for(arguments: argparse.Namespace, size: PixelSize) -> AnnotateSettings:
    """The settings of one image. Raises ``SettingsError``."""
    return AnnotateSettings(
        pixel_size_um=size,
        device=arguments.device,
        tile_size_px=arguments.tile_size_px,
        sensitivity=arguments.sensitivity,
        flips=arguments.flips,
    )


def _annotate_file(path: Path, folder: Path, model: Model, arguments: argparse.Namespace) -> bool:
    """Annotate one image; False, with one line on stderr, if that failed."""
    line = ProgressLine(one_line(path.name))
    problem = ""
    try:
        result = _annotate_and_write(path, folder, model, arguments, line)
    except CerberusError as error:
        problem = one_line(error)
    except MemoryError:
        problem = "there is not enough memory for this image; cut out a smaller region."
    line.close()
    if problem:
        sys.stderr.write(f"{PROGRAM}: error: {one_line(str(path))}: {problem}\n")
        return False
    sys.stdout.write(f"{one_line(str(folder))}: {describe(result)}\n")
    return True


def _annotate_and_write(
    path: Path, folder: Path, model: Model, arguments: argparse.Namespace, line: ProgressLine
) -> Annotation:
    """Read, annotate, write. Raises ``CerberusError``; ``folder`` is then as it was."""
    check_target(folder)
    _require_text(path)
    image = read_image(path)
    said = arguments.full_brightness if image.pixels.dtype != "uint8" else None
    rgb, notes = to_rgb8(image.pixels, said)
    size = choose_pixel_size(arguments.pixel_size_um, image.pixel_size)
    if size.assumed:
        line.say(
            f"the file does not say how large a pixel is; ASSUMED {size}. "
            "If that is wrong, run again with --pixel-size-um."
        )
    as_stored = said is not None and image.pixels.shape[:2] == rgb.shape[:2]
    known_by = image.pixels if as_stored else rgb  # whoever opens it again scales it anew
    job = annotate(rgb, model, settings_for(arguments, size), frame=Frame.of_image(known_by, path.stem))
    result = replace(run_to_end(job, line), full_brightness=said or 0.0, image_path=str(path.absolute()))
    result = replace(result, notes=(*image.notes, *notes, *result.notes))
    for note in result.notes:
        line.say(note)
    save_annotation(folder, result)
    return result


def _require_text(path: Path) -> None:
    """The summary names the image, so its name must be text; said before the work, not after.

    Raises
    ------
    ImageError
    """
    try:
        str(path.absolute()).encode("utf-8")
    except UnicodeEncodeError as error:
        raise ImageError("the name of this file or of its folder is not UTF-8; rename it.") from error


def describe(result: Annotation) -> str:
    """Counts, tissue, time and device in one line."""
    parts = [objects_of(task, count) for task, count in result.counts.items()]
    if result.tissue:
        name, share = max(result.tissue.items(), key=lambda item: item[1])
        parts.append(f"tissue {name} {100 * share:.0f} %")
    return ", ".join(parts) + f" ({result.run.seconds:.1f} s, {result.run.device}, {result.run.precision})"
