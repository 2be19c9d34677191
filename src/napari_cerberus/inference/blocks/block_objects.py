"""The objects of one block of labels, whole, also those that other blocks hold the rest of.

The probabilities of a window around the block are looked at. It grows until every object that reaches the block, and
every one beside those, lies inside; so the answer is that of the whole slide. Foreground that is connected over more
than ``GIANT_PX`` is parted along lines of the slide that far apart: memory stays flat. An object's id is the place of
its first pixel in the slide, so blocks agree on it without asking each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from ...annotation.object_columns import MODEL_COLUMNS, empty_table
from ...model.checkpoint import Model
from ...progress import Job, Progress, run_to_end
from ...tasks import GLANDS, LUMINA, NUCLEI
from ..annotate_settings import AnnotateSettings
from ..cut_objects import cut_objects, object_settings_of
from ..grid.model_grid import Window
from ..grid.upsample import numbered_alike, to_image_grid
from ..objects.found_objects import object_classes, object_confidence, object_table
from ..objects.postprocess import foreground_level
from ..predict import Prediction
from .block_layout import Layout, Layouts, Place

GIANT_PX = 1024
"""In model pixels."""
_NEAR_PX, _FIRST_CONTEXT_PX, _STEP_PX = 32, 96, 160
_STEP = Progress("Finding objects")
_EIGHT = np.ones((3, 3), bool)
Labels = dict[str, NDArray[np.uint64]]
Probabilities = Callable[[float, tuple[str, ...], Window], Prediction]


@dataclass(frozen=True, kw_only=True)
class BlockObjects:
    """Labels of a block, (h, w) uint64 for each task, and the table of the objects whose first pixel lies in it."""

    labels: Labels
    objects: pd.DataFrame


def cut_block(
    place: Place, layouts: Layouts, probabilities: Probabilities, model: Model, settings: AnnotateSettings
) -> Job[BlockObjects]:
    """Find the objects of a block of labels; yields between tasks, and within them.

    Parameters
    ----------
    place : Place
        Of the block of labels.
    layouts : mapping of pixel size to Layout
    probabilities : callable
        Gives, of a pixel size and tasks read at it, what was said of them in any window of its model grid.
    model : Model
    settings : AnnotateSettings
    """
    labels: Labels = {}
    tables = []
    for size_um, tasks in model.spec.tasks_by_pixel_size().items():
        for together in _cut_together([task.key for task in tasks if task.kind == "instances"]):
            part = partial(probabilities, size_um, together)
            cut = yield from _cut_at(place, layouts[size_um], part, model, settings)
            for task, (found, owned) in cut.items():
                labels[task] = found
                tables.append(owned)
    filled = [table for table in tables if len(table)]
    return BlockObjects(
        labels=labels, objects=pd.concat(filled, ignore_index=True) if filled else empty_table(MODEL_COLUMNS)
    )


def _cut_at(
    place: Place,
    layout: Layout,
    probabilities: Callable[[Window], Prediction],
    model: Model,
    settings: AnnotateSettings,
) -> Job[dict[str, tuple[NDArray[np.uint64], pd.DataFrame]]]:
    """Labels and table of each task of one pixel size that ``probabilities`` gives."""
    block = layout.label_window(place)
    around = _window_around(layout.on_model(block), layout, probabilities, model, settings)
    window, near, prediction = yield from around
    cut = yield from cut_objects(prediction, model, settings)
    inside = near.inside(window).slices
    found = {}
    for task, on_model in cut.items():
        yield _STEP
        drawn, table = _drawn(task, on_model, near, inside, layout, prediction, model, settings)
        found[task] = _placed(drawn, table, layout.on_image(near), block, layout.grid.image_shape[1])
    return found


def _cut_together(tasks: Sequence[str]) -> list[tuple[str, ...]]:
    """Lumina need their glands; every other task has a window of its own, no larger than its objects ask for."""
    pair = tuple(task for task in tasks if task in (LUMINA, GLANDS))
    return [*([pair] if pair else []), *((task,) for task in tasks if task not in pair)]


def _window_around(
    block: Window,
    layout: Layout,
    probabilities: Callable[[Window], Prediction],
    model: Model,
    settings: AnnotateSettings,
) -> Job[tuple[Window, Window, Prediction]]:
    """A window that is large enough, the part of it that is right, and its probabilities without giants."""
    context = _FIRST_CONTEXT_PX
    while True:
        window = block.grown(context, layout.whole)
        prediction = probabilities(window)
        near = block.grown(_NEAR_PX, layout.whole)
        parted = {}
        parts: list[NDArray[np.int32]] = []
        for task, both in prediction.probabilities.items():
            yield _STEP
            parted[task], components = _without_giants(task, both, window, model, settings)
            parts.append(components)
        reached = [box for labels in parts for box in _boxes_in(labels, near.inside(window))]
        near = _around(near, reached, window).grown(_NEAR_PX, layout.whole)
        if window == layout.whole or not any(_open_in(labels, near, window, layout.whole) for labels in parts):
            return window, near, replace(prediction, probabilities=parted)
        context += _STEP_PX


def _without_giants(
    task: str, both: NDArray[np.float16], window: Window, model: Model, settings: AnnotateSettings
) -> tuple[NDArray[np.float16], NDArray[np.int32]]:
    """Probabilities with giants parted, and the connected foreground."""
    mask = _foreground(task, both, model, settings)
    labels, _count = ndimage.label(mask, _EIGHT, output=np.int32)
    boxes = ndimage.find_objects(labels)
    giants = [n for n, box in enumerate(boxes, 1) if max(side.stop - side.start for side in box) > GIANT_PX]
    if not giants:
        return both, labels
    line = np.zeros(mask.shape, bool)
    line[-window.y0 % GIANT_PX :: GIANT_PX] = True
    line[:, -window.x0 % GIANT_PX :: GIANT_PX] = True
    line &= np.isin(labels, giants)
    both = np.where(line, np.float16(0), both)
    return both, ndimage.label(mask & ~line, _EIGHT, output=np.int32)[0]


def _foreground(task: str, both: NDArray[np.float16], model: Model, settings: AnnotateSettings) -> NDArray[np.bool_]:
    """At least all pixels that objects are begun from."""
    inner, contour = both.astype(np.float32)
    chosen = object_settings_of(task, model, settings)
    if task == NUCLEI:
        return np.asarray(inner + contour > min(chosen.threshold, chosen.marker_threshold))
    return np.asarray(inner - (contour > chosen.contour_threshold) > chosen.threshold)


def _boxes_in(labels: NDArray[np.int32], part: Window) -> Iterator[tuple[slice, slice]]:
    boxes = ndimage.find_objects(labels)
    yield from (boxes[index - 1] for index in np.unique(labels[part.slices]) if index)


def _around(near: Window, boxes: list[tuple[slice, slice]], window: Window) -> Window:
    """``near`` enlarged by boxes that are counted from the corner of ``window``."""
    return Window(
        min([near.y0, *(window.y0 + rows.start for rows, _ in boxes)]),
        min([near.x0, *(window.x0 + columns.start for _, columns in boxes)]),
        max([near.y1, *(window.y0 + rows.stop for rows, _ in boxes)]),
        max([near.x1, *(window.x0 + columns.stop for _, columns in boxes)]),
    )


def _open_in(labels: NDArray[np.int32], near: Window, window: Window, whole: Window) -> bool:
    """Whether something in ``near`` goes on beyond the window, or ``near`` itself does."""
    if near != near.grown(0, window):
        return True
    edges = [
        edge
        for edge, inner in (
            (labels[0], window.y0 > whole.y0),
            (labels[-1], window.y1 < whole.y1),
            (labels[:, 0], window.x0 > whole.x0),
            (labels[:, -1], window.x1 < whole.x1),
        )
        if inner
    ]
    cut = np.unique(np.concatenate(edges)) if edges else np.empty(0, np.int32)
    return bool(np.isin(labels[near.inside(window).slices], cut[cut > 0]).any())


def _drawn(
    task: str,
    found: NDArray[np.int32],
    near: Window,
    inside: tuple[slice, slice],
    layout: Layout,
    prediction: Prediction,
    model: Model,
    settings: AnnotateSettings,
) -> tuple[NDArray[np.int32], pd.DataFrame]:
    """The objects of the right part on the image grid, ids 1..n, and their table."""
    inner, contour = prediction.probabilities[task].astype(np.float32)
    level = None
    if not layout.grid.identical:
        chosen = object_settings_of(task, model, settings)
        level = foreground_level(task, inner, contour, model.spec.pixel_size_of(task), chosen)[inside]
    on_model = found[inside]
    part = near, layout.on_image(near)
    drawn, on_model = numbered_alike(run_to_end(to_image_grid(on_model, level, layout.grid, part=part)), on_model)
    types = next((other for other in model.spec.tasks if other.types_of == task), None)
    kinds = prediction.type_maps[types.key][inside] if types else None
    classes = object_classes(on_model, kinds, types.classes) if types and kinds is not None else None
    confidence = object_confidence(on_model, inner[inside], contour[inside])
    return drawn, object_table(task, drawn, settings.pixel_size_um, confidence=confidence, classes=classes)


def _placed(
    drawn: NDArray[np.int32], table: pd.DataFrame, part: Window, block: Window, slide_width: int
) -> tuple[NDArray[np.uint64], pd.DataFrame]:
    """The block's labels with their ids in the slide, and the rows of the objects that begin in the block."""
    corners = table[["y0_px", "x0_px", "x1_px"]].to_numpy()
    ids = table["index"].to_numpy()
    firsts = [
        left + int(np.argmax(drawn[top, left:right] == id_))
        for (top, left, right), id_ in zip(corners, ids, strict=True)
    ]
    rows, columns = corners[:, 0] + part.y0, np.asarray(firsts, np.int64) + part.x0
    names = np.zeros(len(ids) + 1, np.uint64)
    names[1:] = rows.astype(np.uint64) * np.uint64(slide_width) + columns.astype(np.uint64) + np.uint64(1)
    moved = table.assign(index=names[1:].astype(np.int64))
    for axis, first in (("y", part.y0), ("x", part.x0)):
        moved[f"centroid_{axis}_px"] = (moved[f"centroid_{axis}_px"] + first).round(3)
        moved[[f"{axis}0_px", f"{axis}1_px"]] += first
    begins = (rows >= block.y0) & (rows < block.y1) & (columns >= block.x0) & (columns < block.x1)
    return names[drawn[block.inside(part).slices]], moved[begins]
