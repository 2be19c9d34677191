"""Between an annotated image and layers: what layers hold as one value, and a value as layers over their image."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Image

from ..annotation.annotated_image import AnnotatedImage
from ..annotation.finished_areas import FinishedArea, areas_from_json
from ..annotation.object_columns import UNREVIEWED
from ..errors import DataError
from ..tasks import INSTANCE_TASKS
from .layer_features import features_of, table_from
from .layer_provenance import FINISHED, KEY, MODEL_LABELS, LayerRecord, checksum_of, record_from
from .layers import labels_layer
from .placement import placement
from .session import Display

LayerData = tuple[Any, dict[str, Any], str]
"""Pixels, the layer's settings and its type, as napari hands them to a writer and takes them of a reader."""


def annotated_of(layer_data: Sequence[tuple[Any, Mapping[str, Any], str]]) -> AnnotatedImage:
    """Result layers of one image as a value.

    Raises
    ------
    DataError
        If there is no result layer, two are of one task, or they are of different images or regions.
    """
    found: dict[str, tuple[LayerRecord, np.ndarray[Any, Any], Mapping[str, Any]]] = {}
    for data, attributes, kind in layer_data:
        record = record_from(attributes.get("metadata", {}).get(KEY)) if kind == "labels" else None
        if record is None or record.task not in INSTANCE_TASKS:
            continue
        if record.task in found:
            raise DataError(f"Two of the layers are {record.task}; select the ones to save and save those only.")
        found[record.task] = record, np.asarray(data), attributes
    if not found:
        raise DataError("None of these layers is a Cerberus result; annotate the image first.")
    records = [record for record, _, _ in found.values()]
    if len({record.place[1:] for record in records}) > 1:
        raise DataError("The layers are of different images or regions; save them one by one.")
    return AnnotatedImage(
        frame=records[0].frame,
        pixel_size=records[0].pixel_size,
        labels={task: labels for task, (_, labels, _) in found.items()},
        model_labels={task: _model_labels(labels, attributes) for task, (_, labels, attributes) in found.items()},
        objects=pd.concat([_table(*parts) for parts in found.values()], ignore_index=True),
        tissue=next((record.tissue for record in records if record.tissue), {}),
        tissue_doubt=next((record.tissue_doubt for record in records if record.tissue), ""),
        runs={record.task: record.run for record in records if record.model_name},
        finished=next((areas for _, _, more in found.values() if (areas := _finished(more))), ()),
        factors=records[0].factors,
        full_brightness=records[0].full_brightness,
        image_path=records[0].image_path,
    )


def by_place(layer_data: Sequence[LayerData]) -> list[list[LayerData]]:
    """The result layers among them, those of one part of an image together.

    Raises
    ------
    DataError
        If there is none, or they are of different images.
    """
    found: dict[tuple[Any, ...], list[LayerData]] = {}
    for one in layer_data:
        record = record_from(one[1].get("metadata", {}).get(KEY)) if one[2] == "labels" else None
        if record is not None and record.task in INSTANCE_TASKS:
            found.setdefault(record.place[1:], []).append(one)
    if not found:
        raise DataError("None of these layers is a Cerberus result; annotate the image first.")
    if len({place[0] for place in found}) > 1:
        raise DataError("The layers are of different images; save them one by one.")
    return list(found.values())


def layer_of(
    annotated: AnnotatedImage, task: str, image: Any | None, display: Display, *, taken: Collection[str] = ()
) -> Any:
    """A Labels layer of one task, ready to be corrected; over ``image``, or alone at its own pixel size.

    Parameters
    ----------
    image : napari.layers.Image or None
        The image that it belongs to.
    taken : collection of str
        Names that other layers have; napari would rename it then, and a renamed layer is the user's own.
    """
    record = LayerRecord.of(annotated, task)
    rows = annotated.objects_of(task)
    if image is None:
        name, where = annotated.name, own_place(annotated)
    else:
        name, where = str(image.name), placement(image, annotated.frame.region[:2], annotated.factors)
    numbered = (f"{name} {task} [{number}]" for number in count(1))
    called = f"{name} {task}" if f"{name} {task}" not in taken else next(one for one in numbered if one not in taken)
    layer = labels_layer(task, annotated.labels[task], rows, display, name=called, **where)
    layer.features = features_of(rows)
    if (rows["state"] == UNREVIEWED).all() and not annotated.is_corrected(task):
        record = replace(record, layer_name=str(layer.name), checksum=checksum_of(layer))
    model_labels = annotated.model_labels_of(task).astype(np.int32)
    finished = [area.to_json() for area in annotated.finished]
    layer.metadata = {KEY: record.to_metadata(), MODEL_LABELS: model_labels, FINISHED: finished}
    return layer


def image_layer_of(annotated: AnnotatedImage, pixels: np.ndarray[Any, Any]) -> Any:
    """An Image layer of the full image, at its pixel size."""
    rows, columns = annotated.factors
    size = annotated.pixel_size
    scale = size.y_um / rows, size.x_um / columns
    return Image(pixels, rgb=True, name=annotated.name, scale=scale, units=("micrometer", "micrometer"))


def own_place(annotated: AnnotatedImage) -> dict[str, Any]:
    """Scale and place, in µm, of label maps without their image."""
    size, (top, left, _, _) = annotated.pixel_size, annotated.frame.region
    translate = (top * size.y_um, left * size.x_um)
    return {"scale": size.yx_um, "translate": translate, "units": ("micrometer", "micrometer")}


def _finished(attributes: Mapping[str, Any]) -> tuple[FinishedArea, ...]:
    return areas_from_json(attributes.get("metadata", {}).get(FINISHED, []), "The layer")


def _model_labels(labels: np.ndarray[Any, Any], attributes: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    known = attributes.get("metadata", {}).get(MODEL_LABELS)
    return known if isinstance(known, np.ndarray) and known.shape == labels.shape else labels


def _table(record: LayerRecord, labels: np.ndarray[Any, Any], attributes: Mapping[str, Any]) -> pd.DataFrame:
    return table_from(pd.DataFrame(attributes.get("features", {})), labels, record.task, record.pixel_size_um)
