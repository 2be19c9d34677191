"""Opens a folder that the command line wrote (``summary.json``, label images, ``objects.csv``) as layers.

Where the image it belongs to is open already (an RGB image of the same size; the folder has its name, if there are
several), the labels take its place in the world. Otherwise they stand alone, at their own pixel size.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari import current_viewer
from napari.layers import Image

from ...annotation import store
from ...inference.result_folder import SUMMARY_FILE
from ...inference.result_reading import is_annotation, read_annotation
from ...slides.fields import is_run
from ..layers import labels_layer
from ..placement import placement
from ..session import Display
from .annotation_folder import load
from .slide_results import read_slide_result

LayerData = tuple[Any, dict[str, Any], str]


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """A reader for one of our folders, or for the file in it that describes it; None for anything else."""
    if isinstance(path, list):
        return None
    folder = _folder_of(path)
    if store.is_annotation(folder):
        return read_saved
    if is_run(folder):
        return read_slide_result
    return read_folder if is_annotation(folder) else None


def read_saved(path: str | list[str]) -> list[LayerData]:
    """Label layers of a saved annotation, with review state. Raises ``DataError``."""
    return load(_folder_of(path if isinstance(path, str) else path[0]))


def read_folder(path: str | list[str]) -> list[LayerData]:
    """Label layers of an annotation folder.

    Raises
    ------
    DataError
        If a file is damaged, or the label images differ in size.
    """
    folder = _folder_of(path if isinstance(path, str) else path[0])
    saved = read_annotation(folder)
    table = saved.objects
    shape = next(iter(saved.labels.values())).shape
    name, place = _place(folder.name, shape, saved.pixel_size_um)
    layers = [
        labels_layer(task, array, table[table["task"] == task], Display(), name=f"{name} {task}", **place)
        for task, array in saved.labels.items()
    ]
    return [layer.as_layer_data_tuple() for layer in layers]


def _folder_of(path: str) -> Path:
    given = Path(path)
    return given.parent if given.name in (SUMMARY_FILE, store.ABOUT_FILE) else given


def _place(stem: str, shape: tuple[int, ...], pixel_size_um: float) -> tuple[str, dict[str, Any]]:
    """Name and placement: those of the open image it belongs to, or the folder's name and its own pixel size."""
    viewer = current_viewer()
    fitting = [layer for layer in (viewer.layers if viewer is not None else ()) if _fits(layer, shape)]
    named = [layer for layer in fitting if layer.name == stem]
    if named or len(fitting) == 1:
        image = (named or fitting)[0]
        return str(image.name), placement(image, (0, 0))
    scale, units = (pixel_size_um, pixel_size_um), ("micrometer", "micrometer")
    return stem, {"scale": scale, "units": units}


def _fits(layer: Any, shape: tuple[int, ...]) -> bool:
    if not isinstance(layer, Image) or not layer.rgb or layer.multiscale:
        return False
    return tuple(layer.data.shape[:2]) == shape
