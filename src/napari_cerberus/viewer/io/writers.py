"""File ▸ Save: label layers for QuPath, COCO tools, other TIFF readers and spreadsheets, and a figure for a paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...annotation.annotated_image import AnnotatedImage
from ...annotation.frame import Frame
from ...errors import DataError
from ...inference.images.rgb import as_rgb8
from ...interop.coco import write_coco
from ...interop.figure import write_figure
from ...interop.geojson import GeoJsonSettings, write_geojson
from ...interop.ome_tiff import write_label_tiff
from ...pairs.object_rows import write_table
from ...pixel_size import ASSUMED_UM, RANGE_UM, PixelSize, PixelSizeSource
from ...progress import run_to_end
from ...tasks import INSTANCE_TASKS
from ..layer_features import table_from
from ..layer_provenance import KEY, LayerRecord, record_from

LayerData = tuple[Any, Mapping[str, Any], str]
"""What napari hands to a writer: pixels, the layer's settings, its type."""


def save_geojson(path: str, layers: list[LayerData]) -> list[str]:
    """Outlines, classes and measurements for QuPath, in pixels of the full image."""
    one = _one_image(layers)
    key = one.frame.image_key if one.frame.is_known else ""
    settings = GeoJsonSettings(offset_px=one.origin_px, downsample=sum(one.factors) / 2, image_key=key)
    run_to_end(write_geojson(Path(path), one.labels, one.objects, settings))
    return [path]


def save_coco(path: str, layers: list[LayerData]) -> list[str]:
    """COCO instances with exact run lengths; layers of several images become several images."""
    run_to_end(write_coco(Path(path), annotated(layers)))
    return [path]


def save_label_tiff(path: str, layers: list[LayerData]) -> list[str]:
    """Instance labels as OME-TIFF, one channel a layer."""
    one = _one_image(layers)
    write_label_tiff(Path(path), one.labels, _known_size(one, layers))
    return [path]


def save_table(path: str, layers: list[LayerData]) -> list[str]:
    """The object table as CSV."""
    one = _one_image(layers)
    if one.objects.empty:
        raise DataError(f"The layers of “{one.name}” hold no object; annotate the image first.")
    write_table(Path(path), one.objects)
    return [path]


def save_figure(path: str, layers: list[LayerData]) -> list[str]:
    """Image, outlines, legend and scale bar as PNG or PDF."""
    one = _one_image(layers)
    pixels = next(data for data, _, kind in layers if kind == "image")
    if isinstance(pixels, (list, tuple)) or one.factors != (1.0, 1.0) or any(one.origin_px):
        raise DataError("A figure shows whole images only; crop the image, annotate it, and save that.")
    shown = as_rgb8(pixels, one.full_brightness or None)
    write_figure(Path(path), shown, one.labels, one.objects, _known_size(one, layers).x_um)
    return [path]


def annotated(layers: Sequence[LayerData]) -> list[AnnotatedImage]:
    """Label layers by image.

    Raises
    ------
    DataError
        If there are none, or two of them hold the same objects of one image.
    """
    groups: dict[str, list[LayerData]] = {}
    for layer in layers:
        if layer[2] == "labels":
            groups.setdefault(_image_name(layer), []).append(layer)
    if not groups:
        raise DataError("No label layer is selected; select the layers of an annotation.")
    return [_annotated(name, group) for name, group in groups.items()]


def _one_image(layers: Sequence[LayerData]) -> AnnotatedImage:
    images = annotated(layers)
    if len(images) > 1:
        names = " and ".join(f"“{one.name}”" for one in images)
        raise DataError(f"This format holds one image, but layers of {names} are selected; save them one by one.")
    return images[0]


def _annotated(name: str, layers: Sequence[LayerData]) -> AnnotatedImage:
    labels: dict[str, NDArray[np.integer]] = {}
    tables: list[pd.DataFrame] = []
    record = next((one for _, meta, _ in layers if (one := _record(meta)) is not None), None)
    size = _size(layers) or PixelSize.square(ASSUMED_UM, PixelSizeSource.ASSUMED)
    for data, meta, _ in layers:
        task = _task(meta)
        if task in labels:
            raise DataError(f"Two layers of {task} of “{name}” are selected; hide or unselect one of them.")
        labels[task] = _pixels(data, meta)
        tables.append(table_from(pd.DataFrame(meta.get("features", {})), labels[task], task, size.mean_um))
    return AnnotatedImage(
        frame=record.frame if record is not None else Frame.unknown(name, next(iter(labels.values())).shape),
        pixel_size=size,
        labels=labels,
        objects=pd.concat(tables, ignore_index=True),
        tissue=record.tissue if record is not None else {},
        tissue_doubt=record.tissue_doubt if record is not None else "",
        runs=dict.fromkeys(labels, record.run) if record is not None and record.model_name else {},
        factors=record.factors if record is not None else (1.0, 1.0),
        full_brightness=record.full_brightness if record is not None else 0.0,
    )


def _record(meta: Mapping[str, Any]) -> LayerRecord | None:
    metadata = meta.get("metadata")
    return record_from(metadata.get(KEY)) if isinstance(metadata, Mapping) else None


def _image_name(layer: LayerData) -> str:
    """What a layer belongs to: the recorded image; else its own name without the task."""
    _, meta, _ = layer
    record = _record(meta)
    if record is not None:
        return record.image_name
    name = str(meta.get("name", ""))
    head, _, last = name.rpartition(" ")
    return head if head and last in INSTANCE_TASKS else name


def _task(meta: Mapping[str, Any]) -> str:
    record = _record(meta)
    if record is not None:
        return record.task
    name = str(meta.get("name", ""))
    last = name.rpartition(" ")[2]
    return last if last in INSTANCE_TASKS else name


def _pixels(data: Any, meta: Mapping[str, Any]) -> NDArray[np.integer]:
    pixels = np.asarray(data)
    if pixels.ndim != 2 or pixels.dtype.kind not in "ui":
        raise DataError(f"“{meta.get('name', '')}” is not a two-dimensional label layer; it cannot be saved so.")
    return pixels


def _size(layers: Sequence[LayerData]) -> PixelSize | None:
    """What a record says, or scale and units; None where neither says a length."""
    records = (_record(meta) for _, meta, _ in layers)
    found = next((record.pixel_size for record in records if record is not None), None)
    return found or _stated_size(layers[0][1])


def _stated_size(meta: Mapping[str, Any]) -> PixelSize | None:
    units, scale = tuple(meta.get("units") or ()), tuple(meta.get("scale", ()))
    lengths = [unit for unit in units if hasattr(unit, "is_compatible_with") and unit.is_compatible_with("micrometer")]
    if len(scale) != 2 or len(lengths) != len(scale):
        return None
    sides = [float((float(step) * unit).to("micrometer").magnitude) for step, unit in zip(scale, lengths, strict=True)]
    low, high = RANGE_UM
    return PixelSize(sides[0], sides[1], PixelSizeSource.LAYER) if low <= min(sides) <= max(sides) <= high else None


def _known_size(one: AnnotatedImage, layers: Sequence[LayerData]) -> PixelSize:
    size = _size([layer for layer in layers if layer[2] == "labels"])
    if size is None:
        raise DataError(f"How large a pixel of “{one.name}” is, is not known; set scale and units of its layers.")
    return size
