"""An annotated image to and from one folder: File ▸ Save with ".cerberus", File ▸ Open, and the dock's button."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from napari import current_viewer
from napari.layers import Image
from napari.utils.notifications import show_warning

from ...annotation.annotated_image import AnnotatedImage
from ...annotation.frame import Frame
from ...annotation.journal import Journal
from ...annotation.regions import common_folder, place_in, regions_in
from ...annotation.store import JOURNAL_FILE, SUFFIX, is_annotation, load_what_is_whole, save_annotation
from ...annotation.stored.folder_schema import ABOUT_FILE, SUMMARY_FILE, read_about
from ...errors import CerberusError, DataError
from ...exporting.image_identity import find_image, read_checked, slide_of
from ...inference.images.rgb import as_rgb8
from ...slides.fields import is_run
from ..annotate.image_region import fingerprint, why_not
from ..annotate.layer_brightness import brightness_value
from ..annotated_layers import LayerData, annotated_of, by_place, image_layer_of, layer_of
from ..layer_provenance import HISTORY, IMAGE_PATH, SAVED_IN
from ..placement import size_of
from .layer_looks import chosen_display, styled_when_shown
from .slide_reader import layer_data
from .slide_results import read_slide_result

MAX_KEPT_PIXELS = 64_000_000
"""Largest image that is copied into the folder where no file has it."""


def save(path: str, layer_data: Sequence[LayerData], journal: Journal | None = None, *, by: str = "") -> list[str]:
    """Write the result layers among ``layer_data`` as one folder; napari's writer.

    Parts of one image, as of a slide, go into folders of their own in it, beside those that were saved before. An image
    that lies in no file, as one that was pasted or cropped, goes into the folder too.

    Parameters
    ----------
    path : str
        With or without ``SUFFIX``. A folder in one of ours means that one: dialogs walk into a folder that is chosen.
    layer_data : sequence
        As napari hands it to a writer.
    journal : Journal, optional
        The history, as the dock has it; without it, the file that the layers name.
    by : str
        Who saves it; by default everyone who changed an object.

    Raises
    ------
    DataError
        If there is no result layer, two are of one task, or they are of different images.
    OutputError
        If the folder cannot be written.
    """
    folder = common_folder(Path(path) if path.endswith(SUFFIX) else Path(path + SUFFIX))
    parts = [(annotated_of(part), part) for part in by_place(layer_data)]
    for annotated, part in parts:
        _save_part(folder, annotated, journal or _history(part), by)
    return [str(folder)]


def _save_part(folder: Path, annotated: AnnotatedImage, journal: Journal | Path | None, by: str) -> None:
    image = _image_of(annotated)
    if isinstance(journal, Journal):
        annotated = replace(annotated, frame=journal.frame)
    elif image is not None:
        annotated = replace(annotated, frame=_known_frame(annotated, image))
    names = sorted({str(name) for name in annotated.objects["changed_by"]} - {""})
    save_annotation(
        place_in(folder, annotated.frame, annotated.factors),
        annotated,
        by=by or ", ".join(names),
        journal=journal,
        image=_image_without_file(annotated, image),
    )


def _known_frame(annotated: AnnotatedImage, image: Any) -> Frame:
    """The frame with the size of the image; layers know their own region only."""
    rows, columns = size_of(image)
    height, width = round(rows / annotated.factors[0]), round(columns / annotated.factors[1])
    bottom, right = annotated.frame.region[2:]
    return replace(annotated.frame, image_height_px=max(height, bottom), image_width_px=max(width, right))


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """A reader of one of our folders, or of a file in it that describes it; None for anything else."""
    if isinstance(path, list):
        return None
    folder = _folder_of(path)
    if is_run(folder):
        return read_slide_result
    return read_folder if folder.suffix == SUFFIX or is_annotation(folder) else None


def read_folder(path: str | list[str]) -> list[LayerData]:
    """Image and label layers of a saved annotation, or of all parts of an image, over the open image if there is one.

    What is missing or damaged is said, and the rest is shown.

    Raises
    ------
    DataError
        If nothing can be shown.
    """
    folder = _folder_of(path if isinstance(path, str) else path[0])
    parts = regions_in(folder) if not is_annotation(folder) else ()
    opened: list[LayerData] = []
    image: Any | None = None
    for part in parts or (folder,):
        annotated = _said(part, alone=not parts)
        if annotated is None:
            continue
        if image is None and (image := _image_of(annotated)) is None:
            image = _image_on_disk(part, annotated)
            opened += [image.as_layer_data_tuple()] if image is not None else []
        opened += _layers(part, annotated, image, _taken(opened))
    if not opened:
        raise DataError(f"{folder}: none of its {len(parts)} parts can be read.")
    return opened


def _said(folder: Path, *, alone: bool) -> AnnotatedImage | None:
    """What is whole of an annotation, the rest said; None, and a sentence, where it is one of many and all is lost."""
    try:
        annotated, problems = load_what_is_whole(folder)
    except DataError as error:
        if alone:
            raise
        annotated, problems = None, (str(error),)
    for problem in problems:
        show_warning(problem)
    return annotated


def _layers(folder: Path, annotated: AnnotatedImage, image: Any | None, taken: set[str]) -> list[LayerData]:
    journal = folder / JOURNAL_FILE
    more = {HISTORY: str(journal) if journal.is_file() else "", SAVED_IN: str(common_folder(folder))}
    display, found = chosen_display(), {}
    for task in annotated.labels:
        layer = layer_of(annotated, task, image, display, taken=taken)
        layer.metadata = {**layer.metadata, **more}
        found[task] = layer.as_layer_data_tuple()
    styled_when_shown(tuple(found.items()), display)
    return list(found.values())


def _taken(opened: Sequence[LayerData]) -> set[str]:
    """Names of layers that are open or about to be."""
    viewer = current_viewer()
    here = {str(layer.name) for layer in viewer.layers} if viewer is not None else set()
    return here | {str(details["name"]) for _, details, _ in opened}


def _folder_of(path: str) -> Path:
    given = Path(path)
    return given.parent if given.name in (SUMMARY_FILE, ABOUT_FILE) else given


def _history(layer_data: Sequence[LayerData]) -> Path | None:
    """The journal file of the first result layer that names one."""
    named = (attributes.get("metadata", {}).get(HISTORY) for _, attributes, kind in layer_data if kind == "labels")
    return next((Path(str(path)) for path in named if path), None)


def _image_of(annotated: AnnotatedImage) -> Any | None:
    """The open image that an annotation belongs to."""
    viewer = current_viewer()
    for layer in viewer.layers if viewer is not None else ():
        if isinstance(layer, Image) and not why_not(layer) and fingerprint(layer) == annotated.frame.image_key:
            return layer
    return None


def _image_on_disk(folder: Path, annotated: AnnotatedImage) -> Any | None:
    """A layer of the image that was annotated; None, and a sentence, where it is gone or has changed."""
    about = read_about(folder)
    path = find_image(folder, about)
    try:
        if path is None:
            raise DataError(f"The image “{annotated.name}” was not found; put it beside {folder} and open that again.")
        layer = _slide_layer(path, annotated) or _picture_layer(folder, path, annotated)
    except CerberusError as error:
        show_warning(str(error))
        return None
    layer.metadata = {**layer.metadata, IMAGE_PATH: "" if about.image_file else str(path)}
    return layer


def _slide_layer(path: Path, annotated: AnnotatedImage) -> Any | None:
    """Lazy; None where the file is no slide, or another one than was annotated."""
    slide = slide_of(path, annotated.frame.image_key)
    if slide is None:
        return None
    levels, details, _ = layer_data(slide)
    if "scale" not in details:
        rows, columns = annotated.factors
        size = annotated.pixel_size
        details |= {"scale": (size.y_um / rows, size.x_um / columns), "units": ("micrometer", "micrometer")}
    return Image(levels, **details)


def _picture_layer(folder: Path, path: Path, annotated: AnnotatedImage) -> Any:
    if annotated.factors != (1.0, 1.0):
        raise DataError(f"{folder} is of a coarser level of its image; open {path} first, and then this folder.")
    pixels = read_checked(path, annotated.frame.image_key)
    return image_layer_of(annotated, as_rgb8(pixels, annotated.full_brightness or None))


def _image_without_file(annotated: AnnotatedImage, image: Any | None) -> np.ndarray[Any, Any] | None:
    """Pixels of the open image, where no file holds them."""
    in_file = annotated.image_path and Path(annotated.image_path).exists()
    if in_file or image is None or image.multiscale or image.data.shape[0] * image.data.shape[1] > MAX_KEPT_PIXELS:
        return None
    return as_rgb8(np.asarray(image.data), brightness_value(image))
