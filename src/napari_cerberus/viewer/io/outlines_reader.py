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
from ...interop.geojson_reading import ImportSettings, extent_of, read_geojson
from ...interop.imported_objects import ImportedObjects
from ...progress import run_to_end
from ..annotate.choices import read_pixel_size
from ..annotate.image_region import MAX_PIXELS, fingerprint, image_path, take_region, why_not
from ..layer_features import features_of, table_from
from ..layer_provenance import KEY, MODEL_LABELS, LayerRecord
from ..layers import ViewerLayers, labels_layer
from ..pixel_size_lookup import find_pixel_size
from ..placement import Box, placement, size_of
from ..preferences import Memory
from ..session import Display, Region
from .layer_looks import chosen_display, styled_when_shown

LayerData = tuple[Any, dict[str, Any], str]
TOO_MANY = (
    "The outlines reach over more of the slide than can be corrected at once; zoom in on a part, or draw a rectangle "
    "around it, and open the file again."
)
NO_IMAGE = "Open the image first, then its outlines: they are drawn on the grid of its pixels."


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """``read_outlines`` for one file; None for several."""
    return None if isinstance(path, list) else read_outlines


def read_outlines(path: str | list[str]) -> list[LayerData]:
    """One label layer a task, over the active image or, without one, the topmost.

    On a slide the layers cover the outlines' own part of it; where that is too large to be corrected at once, the drawn
    rectangle or what is in view.

    Raises
    ------
    ImageError
        If no colour image is open.
    DataError
        If the file is damaged, or holds nothing that lies on the image.
    """
    image, file = _image(), Path(path if isinstance(path, str) else path[0])
    part, note = _part_of_slide(image, file) if image.multiscale else (_whole(image), "")
    settings = ImportSettings(offset_px=part.origin)
    found = run_to_end(read_geojson(file, part.shape, settings))
    for said in filter(None, (note, *found.notes)):
        show_warning(said)
    if not found.labels:
        where = f"this part of “{image.name}”" if note else f"“{image.name}”; open the image that it was drawn on"
        raise DataError(f"{file} holds no outline on {where}.")
    record = _record(image, part)
    display = chosen_display()
    layers = {
        task: _layer(image, replace(record, task=task), labels, found, display) for task, labels in found.labels.items()
    }
    styled_when_shown(tuple(layers.items()), display)
    return list(layers.values())


def _part_of_slide(image: Any, file: Path) -> tuple[Box, str]:
    """Where layers of a file's outlines lie, and what to say of it. Raises ``DataError``."""
    extent = run_to_end(extent_of(file))
    if extent is None:
        return Box(y0=0, x0=0, y1=1, x1=1), ""
    top, left, bottom, right = extent
    whole = Box(y0=top, x0=left, y1=bottom, x1=right).clipped(*size_of(image))
    if whole.pixels <= MAX_PIXELS:
        return whole if whole.pixels else Box(y0=0, x0=0, y1=1, x1=1), ""
    viewer = current_viewer()
    layers = ViewerLayers(viewer)
    drawn = next((one for one in layers.shapes() if len(one.data)), None)
    chosen = (Region.RECTANGLE, "in the drawn area") if drawn is not None else (Region.VIEW, "in view")
    try:
        taken = take_region(viewer, image, chosen[0], layers.shapes())
    except ImageError as error:
        raise DataError(f"{TOO_MANY} ({error})") from error
    if taken.factors != (1.0, 1.0):
        raise DataError(TOO_MANY)
    return taken.box, f"The outlines reach over more than can be corrected at once; those {chosen[1]} were opened."


def _whole(image: Any) -> Box:
    height, width = size_of(image)
    return Box(y0=0, x0=0, y1=height, x1=width)


def _layer(image: Any, record: LayerRecord, labels: Any, found: ImportedObjects, display: Display) -> LayerData:
    """A result layer without a model: a re-run keeps all of it, as it keeps what was drawn by hand."""
    rows = table_from(of_task(found.objects, record.task), labels, record.task, record.pixel_size_um)
    name = f"{image.name} {record.task}"
    where = placement(image, record.region[:2])
    layer = labels_layer(record.task, labels, rows, display, name=name, **where)
    layer.features = features_of(rows)
    layer.metadata = {KEY: record.to_metadata(), MODEL_LABELS: np.zeros_like(layer.data)}
    data: LayerData = layer.as_layer_data_tuple()
    return data


def _record(image: Any, part: Box) -> LayerRecord:
    mark = fingerprint(image)
    size = find_pixel_size(image, mark, Memory.of_napari(), read_pixel_size)
    return LayerRecord(
        task="",
        image_fingerprint=mark,
        image_name=str(image.name),
        image_path=image_path(image),
        region=part.as_tuple(),
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
