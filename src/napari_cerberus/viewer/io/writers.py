"""File ▸ Save: label layers for QuPath, COCO tools, other TIFF readers and spreadsheets, and a figure for a paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...errors import DataError
from ...inference.images.rgb import as_rgb8
from ...interop.coco import CocoImage, write_coco
from ...interop.figure import write_figure
from ...interop.geojson import GeoJsonSettings, write_geojson
from ...interop.ome_tiff import write_label_tiff
from ...pairs.object_rows import write_table
from ...progress import run_to_end
from ...tasks import INSTANCE_TASKS
from ..layer_provenance import KEY, LayerRecord, record_from

LayerData = tuple[Any, Mapping[str, Any], str]
"""What napari hands to a writer: pixels, the layer's settings, its type."""


@dataclass(frozen=True, kw_only=True)
class Annotated:
    """The label layers of one image, as they are saved.

    Attributes
    ----------
    name : str
        Of the image.
    labels : mapping of task to (H, W) integer array
    objects : pandas.DataFrame
        Object table; the review state is called ``review``.
    pixel_size_um : float or None
    origin_px : (y, x)
        First pixel in the full image.
    factor : float
        Pixels of the full image per pixel of the labels.
    fingerprint : str
        Of the image; empty where it is not known.
    """

    name: str
    labels: Mapping[str, NDArray[np.integer]]
    objects: pd.DataFrame
    pixel_size_um: float | None
    origin_px: tuple[float, float] = (0.0, 0.0)
    factor: float = 1.0
    fingerprint: str = ""


def save_geojson(path: str, layers: list[LayerData]) -> list[str]:
    """Outlines, classes and measurements for QuPath, in pixels of the full image."""
    one = _one_image(layers)
    settings = GeoJsonSettings(offset_px=one.origin_px, downsample=one.factor, image_key=one.fingerprint)
    run_to_end(write_geojson(Path(path), one.labels, one.objects, settings))
    return [path]


def save_coco(path: str, layers: list[LayerData]) -> list[str]:
    """COCO instances with exact run lengths; layers of several images become several images."""
    images = [CocoImage(file_name=one.name, labels=one.labels, objects=one.objects) for one in annotated(layers)]
    run_to_end(write_coco(Path(path), images))
    return [path]


def save_label_tiff(path: str, layers: list[LayerData]) -> list[str]:
    """Instance labels as OME-TIFF, one channel a layer."""
    one = _one_image(layers)
    write_label_tiff(Path(path), one.labels, _known_size(one))
    return [path]


def save_table(path: str, layers: list[LayerData]) -> list[str]:
    """The object table as CSV."""
    one = _one_image(layers)
    if one.objects.empty:
        raise DataError(f"The layers of “{one.name}” have no object table; annotate the image first.")
    write_table(Path(path), one.objects)
    return [path]


def save_figure(path: str, layers: list[LayerData]) -> list[str]:
    """Image, outlines, legend and scale bar as PNG or PDF."""
    one = _one_image(layers)
    pixels = next(data for data, _, kind in layers if kind == "image")
    if isinstance(pixels, (list, tuple)) or one.factor != 1.0 or any(one.origin_px):
        raise DataError("A figure shows whole images only; crop the image, annotate it, and save that.")
    write_figure(Path(path), as_rgb8(pixels), one.labels, one.objects, _known_size(one))
    return [path]


def annotated(layers: Sequence[LayerData]) -> list[Annotated]:
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


def _one_image(layers: Sequence[LayerData]) -> Annotated:
    images = annotated(layers)
    if len(images) > 1:
        names = " and ".join(f"“{one.name}”" for one in images)
        raise DataError(f"This format holds one image, but layers of {names} are selected; save them one by one.")
    return images[0]


def _annotated(name: str, layers: Sequence[LayerData]) -> Annotated:
    labels: dict[str, NDArray[np.integer]] = {}
    tables: list[pd.DataFrame] = []
    for data, meta, _ in layers:
        task = _task(meta)
        if task in labels:
            raise DataError(f"Two layers of {task} of “{name}” are selected; hide or unselect one of them.")
        labels[task] = _pixels(data, meta)
        tables.append(_table(meta, task))
    filled = [table for table in tables if len(table)]
    record = next((one for _, meta, _ in layers if (one := _record(meta)) is not None), None)
    scale = record.factors if record is not None else (1.0, 1.0)
    return Annotated(
        name=name,
        labels=labels,
        objects=pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(),
        pixel_size_um=record.pixel_size_um if record is not None else _size_um(layers[0][1]),
        origin_px=(record.region[0] * scale[0], record.region[1] * scale[1]) if record is not None else (0.0, 0.0),
        factor=(scale[0] + scale[1]) / 2,
        fingerprint=record.image_fingerprint if record is not None else "",
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


def _table(meta: Mapping[str, Any], task: str) -> pd.DataFrame:
    features = pd.DataFrame(meta.get("features", {}))
    if "index" not in features:
        return pd.DataFrame()
    features.insert(0, "task", task)
    return features.rename(columns={"state": "review"})


def _size_um(meta: Mapping[str, Any]) -> float | None:
    """From scale and units; None where the units are no lengths."""
    units, scale = tuple(meta.get("units") or ()), tuple(meta.get("scale", ()))
    lengths = [unit for unit in units if hasattr(unit, "is_compatible_with") and unit.is_compatible_with("micrometer")]
    if not scale or len(lengths) != len(scale):
        return None
    sides = [float((float(step) * unit).to("micrometer").magnitude) for step, unit in zip(scale, lengths, strict=True)]
    return sum(sides) / len(sides)


def _known_size(one: Annotated) -> float:
    if one.pixel_size_um is None:
        raise DataError(f"How large a pixel of “{one.name}” is, is not known; set scale and units of its layers.")
    return one.pixel_size_um
