"""The objects of a large image, cut block by block: nothing of the image's size is made but the labels themselves."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...annotation.object_columns import MODEL_COLUMNS, empty_table
from ...model.checkpoint import Model
from ...model.runtime import give_back_memory
from ...progress import Job, Progress, as_one_step
from ..annotate_settings import AnnotateSettings
from ..grid.model_grid import Window
from ..predict import Prediction
from .block_layout import Layout
from .block_objects import cut_block

BLOCK_PX = 1024
"""In pixels of the finest model grid."""
MAX_PIXELS = 2**31 - 1
"""Of the image: an object's first name is the place of its first pixel."""
_BAND_PIXELS = 1 << 22


def objects_by_blocks(
    prediction: Prediction, model: Model, settings: AnnotateSettings, shape: tuple[int, int]
) -> Job[tuple[dict[str, NDArray[np.int32]], pd.DataFrame]]:
    """Labels of each instance task on the image grid, (H, W) int32 with ids 1..n, and the table of all objects.

    The objects are those that are found in one piece; only foreground that is connected over more than
    ``block_objects.GIANT_PX`` is parted, as on a slide.
    """
    layouts = Layout.of_model(shape, settings.pixel_size_um, model.spec, BLOCK_PX)
    types_of = {task.key: task.types_of for task in model.spec.tasks if task.kind == "types"}

    def part(_size_um: float, tasks: tuple[str, ...], window: Window) -> Prediction:
        return _part_of(prediction, window, [*tasks, *(types for types, of in types_of.items() if of in tasks)])

    labels = {task: np.zeros(shape, np.int32) for task in prediction.probabilities}
    tables = []
    layout = next(iter(layouts.values()))
    places = layout.label_blocks()
    for done, place in enumerate(places):
        step = Progress("Finding objects", done, len(places))
        yield step
        found = yield from as_one_step(cut_block(place, layouts, part, model, settings), step)
        for task, block in found.labels.items():
            labels[task][layout.label_window(place).slices] = block
        tables.append(found.objects)
        give_back_memory()
    filled = [table for table in tables if len(table)]
    objects = pd.concat(filled, ignore_index=True) if filled else empty_table(MODEL_COLUMNS)
    return labels, (yield from _numbered(labels, objects))


def _part_of(prediction: Prediction, window: Window, tasks: list[str]) -> Prediction:
    both, types = prediction.probabilities, prediction.type_maps
    return Prediction(
        probabilities={task: both[task][(slice(None), *window.slices)] for task in tasks if task in both},
        type_maps={task: types[task][window.slices] for task in tasks if task in types},
    )


def _numbered(labels: dict[str, NDArray[np.int32]], objects: pd.DataFrame) -> Job[pd.DataFrame]:
    """Give the objects of each task the ids 1..n, in place, and in the table."""
    tables = []
    for task, map_ in labels.items():
        rows = objects[objects["task"] == task].sort_values("index")
        names = np.concatenate([[0], rows["index"].to_numpy()]).astype(np.int32)
        step = max(1, _BAND_PIXELS // map_.shape[1])
        for start in range(0, len(map_), step):
            yield Progress("Numbering objects", start, len(map_))
            band = map_[start : start + step]
            band[:] = np.searchsorted(names, band)
        tables.append(rows.assign(index=np.arange(1, len(rows) + 1)))
    return pd.concat(tables, ignore_index=True) if tables else objects
