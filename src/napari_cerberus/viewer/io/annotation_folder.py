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
from ...annotation.journal import Journal
from ...annotation.store import JOURNAL_FILE, SUFFIX, is_annotation, load_what_is_whole, save_annotation
from ...annotation.stored.folder_schema import ABOUT_FILE, SUMMARY_FILE, read_about
from ...errors import CerberusError, DataError
from ...exporting.image_identity import find_image, read_checked
from ...inference.images.rgb import as_rgb8
from ...slides.fields import is_run
from ..annotate.image_region import fingerprint, why_not
from ..annotate.layer_brightness import brightness_value
from ..annotated_layers import LayerData, annotated_of, image_layer_of, layer_of
from ..layer_provenance import HISTORY, IMAGE_PATH
from ..session import Display
from .slide_results import read_slide_result

MAX_KEPT_PIXELS = 64_000_000
"""Largest image that is copied into the folder where no file has it."""


def save(path: str, layer_data: Sequence[LayerData], journal: Journal | None = None, *, by: str = "") -> list[str]:
    """Write the result layers among ``layer_data`` as one folder; napari's writer.

    An image that lies in no file, as one that was pasted or cropped, goes into the folder too.

    Parameters
    ----------
    path : str
        With or without ``SUFFIX``.
    layer_data : sequence
        As napari hands it to a writer.
    journal : Journal, optional
        The history, as the dock has it; without it, the file that the layers name.
    by : str
        Who saves it; by default everyone who changed an object.

    Raises
    ------
    DataError
        If there is no result layer, or there are two of one task.
    OutputError
        If the folder cannot be written.
    """
    folder = Path(path) if path.endswith(SUFFIX) else Path(path + SUFFIX)
    annotated = annotated_of(layer_data)
    names = sorted({str(name) for name in annotated.objects["changed_by"]} - {""})
    if journal is not None:
        annotated = replace(annotated, frame=journal.frame)
    save_annotation(
        folder,
        annotated,
        by=by or ", ".join(names),
        journal=journal or _history(layer_data),
        image=_image_without_file(annotated),
    )
    return [str(folder)]


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """A reader of one of our folders, or of a file in it that describes it; None for anything else."""
    if isinstance(path, list):
        return None
    folder = _folder_of(path)
    if is_run(folder):
        return read_slide_result
    return read_folder if folder.suffix == SUFFIX or is_annotation(folder) else None


def read_folder(path: str | list[str]) -> list[LayerData]:
    """Image and label layers of a saved annotation, over the open image it belongs to if there is one.

    What is missing or damaged is said, and the rest is shown.

    Raises
    ------
    DataError
        If nothing can be shown.
    """
    folder = _folder_of(path if isinstance(path, str) else path[0])
    annotated, problems = load_what_is_whole(folder)
    for problem in problems:
        show_warning(problem)
    opened: list[LayerData] = []
    image = _image_of(annotated)
    if image is None:
        image = _image_on_disk(folder, annotated)
        opened += [image.as_layer_data_tuple()] if image is not None else []
    journal = folder / JOURNAL_FILE
    history = str(journal) if journal.is_file() else ""
    for task in annotated.labels:
        layer = layer_of(annotated, task, image, Display())
        layer.metadata = {**layer.metadata, HISTORY: history}
        opened.append(layer.as_layer_data_tuple())
    return opened


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
        if annotated.factors != (1.0, 1.0):
            raise DataError(f"{folder} is of a coarser level of its image; open {path} first, and then this folder.")
        pixels = read_checked(path, annotated.frame.image_key)
        layer = image_layer_of(annotated, as_rgb8(pixels, annotated.full_brightness or None))
    except CerberusError as error:
        show_warning(str(error))
        return None
    layer.metadata = {IMAGE_PATH: "" if about.image_file else str(path)}
    return layer


def _image_without_file(annotated: AnnotatedImage) -> np.ndarray[Any, Any] | None:
    """Pixels of the open image, where no file holds them."""
    image = _image_of(annotated)
    in_file = annotated.image_path and Path(annotated.image_path).is_file()
    if in_file or image is None or image.multiscale or image.data.shape[0] * image.data.shape[1] > MAX_KEPT_PIXELS:
        return None
    return as_rgb8(np.asarray(image.data), brightness_value(image))
