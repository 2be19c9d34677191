"""Opens GeoJSON, from QuPath or from us, as label layers over the image that is open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari import current_viewer
from napari.utils.notifications import show_warning

from ..errors import DataError, ImageError
from ..pairs.geojson_read import read_geojson
from ..progress import run_to_end
from .grid import placement
from .layers import ViewerLayers, labels_layer
from .picture import why_not
from .session import Display

LayerData = tuple[Any, dict[str, Any], str]
NO_IMAGE = "Open the image first, then its outlines: they are drawn on the grid of its pixels."


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """``read_outlines`` for one file; None for several."""
    return None if isinstance(path, list) else read_outlines


def read_outlines(path: str | list[str]) -> list[LayerData]:
    """One label layer a task, over the active image or, without one, the topmost.

    Raises
    ------
    ImageError
        If no colour image is open.
    DataError
        If the file is damaged, or holds nothing that lies on the image.
    """
    image = _image()
    array = image.data[0] if image.multiscale else image.data
    shape = int(array.shape[0]), int(array.shape[1])
    found = run_to_end(read_geojson(Path(path if isinstance(path, str) else path[0]), shape))
    for note in found.notes:
        show_warning(note)
    if not found.labels:
        raise DataError(f"{path} holds no outline on “{image.name}”; open the image that it was drawn on.")
    table = found.objects
    return [
        labels_layer(
            task,
            labels,
            table[table["task"] == task],
            Display(),
            name=f"{image.name} {task}",
            **placement(image, (0, 0)),
        ).as_layer_data_tuple()
        for task, labels in found.labels.items()
    ]


def _image() -> Any:
    viewer = current_viewer()
    if viewer is None:
        raise ImageError(NO_IMAGE)
    layers = ViewerLayers(viewer)
    image = layers.find(layers.active_image())
    if image is None:
        raise ImageError(NO_IMAGE)
    if problem := why_not(image):
        raise ImageError(problem)
    return image
