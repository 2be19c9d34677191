"""A whole annotation to and from one folder: File ▸ Save with ".cerberus", File ▸ Open, and the dock's button."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from napari import current_viewer
from napari.layers import Image

from ...annotation.finished_areas import FinishedArea, areas_from_json
from ...annotation.frame import Frame
from ...annotation.journal import Journal
from ...annotation.store import JOURNAL_FILE, SUFFIX, ModelUsed, SavedAnnotation, load_annotation, save_annotation
from ...errors import DataError
from ...tasks import INSTANCE_TASKS
from ..annotate.image_region import fingerprint, why_not
from ..layer_features import features_of, table_from
from ..layer_provenance import FINISHED, HISTORY, KEY, MODEL_LABELS, LayerRecord, record_from
from ..layers import labels_layer
from ..placement import placement
from ..session import Display

LayerData = tuple[Any, dict[str, Any], str]


def save(path: str, layer_data: Sequence[LayerData], journal: Journal | None = None, *, by: str = "") -> list[str]:
    """Write the result layers among ``layer_data`` as one folder; napari's writer.

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
    annotation = annotation_of(layer_data)
    names = sorted({str(name) for name in annotation.objects["changed_by"]} - {""})
    if journal is not None:
        annotation = replace(annotation, frame=journal.frame)
    save_annotation(folder, annotation, by=by or ", ".join(names), journal=journal or _history(layer_data))
    return [str(folder)]


def _history(layer_data: Sequence[LayerData]) -> Path | None:
    """The journal file of the first result layer that names one."""
    named = (attributes.get("metadata", {}).get(HISTORY) for _, attributes, kind in layer_data if kind == "labels")
    return next((Path(str(path)) for path in named if path), None)


def annotation_of(layer_data: Sequence[LayerData]) -> SavedAnnotation:
    """Result layers of one image as an annotation.

    Raises
    ------
    DataError
        If there is no result layer, two are of one task, or they are of different images or regions.
    """
    found: dict[str, tuple[LayerRecord, np.ndarray[Any, Any], dict[str, Any]]] = {}
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
    return SavedAnnotation(
        frame=_frame(records[0]),
        pixel_size_um=records[0].pixel_size_um,
        labels={task: labels for task, (_, labels, _) in found.items()},
        model_labels={task: _model_labels(labels, more) for task, (_, labels, more) in found.items()},
        objects=pd.concat([_table(*parts) for parts in found.values()], ignore_index=True),
        models={
            record.task: ModelUsed(name=record.model_name, sha256=record.model_sha256)
            for record in records
            if record.model_name
        },
        tissue=next((record.tissue for record in records if record.tissue), {}),
        finished=next((areas for _, _, more in found.values() if (areas := _finished(more))), ()),
        image_path=records[0].image_path,
        more={"layers": {record.task: record.to_metadata() for record in records}},
    )


def load(folder: Path) -> list[LayerData]:
    """Label layers of a saved annotation, over the open image it belongs to if there is one.

    Raises
    ------
    DataError
        If a file is missing or damaged.
    """
    annotation = load_annotation(folder)
    return [_layer(annotation, task, folder).as_layer_data_tuple() for task in annotation.labels]


def _layer(annotation: SavedAnnotation, task: str, folder: Path) -> Any:
    records = annotation.more.get("layers")
    record = record_from(records.get(task)) if isinstance(records, Mapping) else None
    if record is None:
        raise DataError(f"{folder} does not say where its {task} layer lies; save it again from the dock.")
    # the key and the readout of the folder count: records of older folders have another key and no readout
    record = replace(record, image_fingerprint=annotation.frame.image_key, tissue=record.tissue or annotation.tissue)
    rows = annotation.objects[annotation.objects["task"] == task].reset_index(drop=True)
    image = _image_of(record)
    if image is None:
        size = annotation.pixel_size_um
        name, where = record.image_name, {"scale": (size, size), "units": ("micrometer", "micrometer")}
    else:
        name, where = str(image.name), placement(image, record.region[:2], record.factors)
    layer = labels_layer(task, annotation.labels[task], rows, Display(), name=f"{name} {task}", **where)
    layer.features = features_of(rows)
    journal = folder / JOURNAL_FILE
    layer.metadata = {
        KEY: record.to_metadata(),
        MODEL_LABELS: annotation.model_labels[task].astype(np.int32),
        HISTORY: str(journal) if journal.is_file() else "",
        FINISHED: [area.to_json() for area in annotation.finished],
    }
    return layer


def _image_of(record: LayerRecord) -> Any | None:
    viewer = current_viewer()
    for layer in viewer.layers if viewer is not None else ():
        if isinstance(layer, Image) and not why_not(layer) and fingerprint(layer) == record.image_fingerprint:
            return layer
    return None


def _frame(record: LayerRecord) -> Frame:
    top, left, bottom, right = (int(value) for value in record.region)
    return Frame(
        image_key=record.image_fingerprint,
        image_name=record.image_name,
        image_height_px=bottom,
        image_width_px=right,
        region=(top, left, bottom, right),
    )


def _finished(attributes: Mapping[str, Any]) -> tuple[FinishedArea, ...]:
    return areas_from_json(attributes.get("metadata", {}).get(FINISHED, []), "The layer")


def _model_labels(labels: np.ndarray[Any, Any], attributes: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    known = attributes.get("metadata", {}).get(MODEL_LABELS)
    return known if isinstance(known, np.ndarray) and known.shape == labels.shape else labels


def _table(record: LayerRecord, labels: np.ndarray[Any, Any], attributes: Mapping[str, Any]) -> pd.DataFrame:
    return table_from(pd.DataFrame(attributes.get("features", {})), labels, record)
