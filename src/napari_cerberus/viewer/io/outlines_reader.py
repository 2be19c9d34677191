"""Opens GeoJSON, from QuPath or from us, as label layers over the image that is open, ready to be corrected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from napari import current_viewer
from napari.utils.notifications import show_warning

from ...annotation.object_columns import of_task, utc_now
from ...errors import DataError, ImageError
from ...interop.geojson_reading import ImportedObjects, read_geojson
from ...progress import run_to_end
from ..annotate.choices import read_pixel_size
from ..annotate.image_region import fingerprint, image_path, why_not
from ..layer_features import features_of, table_from
from ..layer_provenance import KEY, MODEL_LABELS, LayerRecord
from ..layers import ViewerLayers, labels_layer
from ..pixel_size_lookup import find_pixel_size
from ..placement import placement
from ..preferences import Memory
from ..session import Display

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
    record = _record(image, shape)
    return [_layer(image, replace(record, task=task), labels, found) for task, labels in found.labels.items()]


def _layer(image: Any, record: LayerRecord, labels: Any, found: ImportedObjects) -> LayerData:
    """A result layer without a model: a re-run keeps all of it, as it keeps what was drawn by hand."""
    rows = table_from(of_task(found.objects, record.task), labels, record.task, record.pixel_size_um)
    name = f"{image.name} {record.task}"
    layer = labels_layer(record.task, labels, rows, Display(), name=name, **placement(image, (0, 0)))
    layer.features = features_of(rows)
    layer.metadata = {KEY: record.to_metadata(), MODEL_LABELS: np.zeros_like(layer.data)}
    data: LayerData = layer.as_layer_data_tuple()
    return data


def _record(image: Any, shape: tuple[int, int]) -> LayerRecord:
    mark = fingerprint(image)
    size = find_pixel_size(image, mark, Memory.of_napari(), read_pixel_size)
    return LayerRecord(
        task="",
        image_fingerprint=mark,
        image_name=str(image.name),
        image_path=image_path(image),
        region=(0, 0, *shape),
        factors=(1.0, 1.0),
        pixel_size=size,
        model_name="",
        model_sha256="",
        device="",
        precision="",
        sensitivity=0.0,
        made_at=utc_now(),
    )


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
