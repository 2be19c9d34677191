"""A part of an annotation: what a region holds, after it was read with the tissue around it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..annotation.frame import Frame
from ..annotation.object_columns import empty_table
from ..pixel_size import PixelSize
from .annotate import Annotation
from .grid.model_grid import Window
from .objects.found_objects import object_table
from .objects.structuring import keep_ids

if TYPE_CHECKING:
    from .tissue_readout import TissueMap


def inner_part(
    annotation: Annotation, part: Window, pixel_size: float | PixelSize, inside: NDArray[np.bool_] | None = None
) -> Annotation:
    """The same annotation of a part of its image.

    Objects that cross the edge of the part are cut there. Class and confidence stay those of the whole object.

    Parameters
    ----------
    annotation : Annotation
    part : Window
        In pixels of the image that was annotated.
    pixel_size : float or PixelSize
    inside : (h, w) bool array, optional
        Of the part, where it is no rectangle: an object whose centre of mass lies elsewhere is left out.
    """
    from .tissue_readout import read_out  # needs torch

    shape = annotation.frame.shape
    labels, tables = {}, []
    for task, whole in annotation.labels.items():
        rows = annotation.objects[annotation.objects["task"] == task]
        labels[task], table = _task_part(
            task, whole[part.slices].astype(np.int32, copy=False), rows, pixel_size, inside
        )
        tables.append(table)
    filled = [table for table in tables if len(table)]
    probabilities = {
        task: both[(slice(None), *_scaled(part, shape, both.shape[1:]).slices)].copy()
        for task, both in annotation.probabilities.items()
    }
    map_ = annotation.tissue_map
    tissue_map = None if map_ is None else _map_part(map_, part, shape)
    return replace(
        annotation,
        frame=_frame_part(annotation.frame, part),
        labels=labels,
        objects=pd.concat(filled, ignore_index=True) if filled else empty_table(),
        tissue=annotation.tissue
        if tissue_map is None
        else read_out(tissue_map.probabilities, tissue_map.classes, tissue_map.holds_tissue)[0],
        tissue_map=tissue_map,
        probabilities=probabilities,
    )


def _frame_part(frame: Frame, part: Window) -> Frame:
    top, left, _, _ = frame.region
    return replace(frame, region=(top + part.y0, left + part.x0, top + part.y1, left + part.x1))


def _task_part(
    task: str,
    labels: NDArray[np.int32],
    rows: pd.DataFrame,
    pixel_size: float | PixelSize,
    inside: NDArray[np.bool_] | None,
) -> tuple[NDArray[np.int32], pd.DataFrame]:
    keep = np.bincount(labels.ravel(), minlength=1) > 0
    keep[0] = False
    if inside is not None:
        keep &= _centred(labels, inside, len(keep))
    found = rows.set_index("index").loc[np.flatnonzero(keep)]
    part = keep_ids(labels, keep)
    classes = None
    if len(found) and (found["class"] != "").any():
        classes = list(found["class"]), found["class_probability"].to_numpy()
    confidence = found["confidence"].to_numpy()
    return part, object_table(task, part, pixel_size, confidence=confidence, classes=classes)


def _centred(labels: NDArray[np.int32], inside: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
    """Which ids have their centre of mass inside."""
    y, x = np.nonzero(labels)
    ids = labels[y, x]
    pixels = np.maximum(np.bincount(ids, minlength=count), 1)
    rows, columns = (np.rint(np.bincount(ids, place, count) / pixels).astype(np.intp) for place in (y, x))
    return np.asarray(inside[rows, columns])


def _scaled(part: Window, shape: tuple[int, ...], onto: tuple[int, ...]) -> Window:
    """The part on a grid of another size over the same image, at least one cell large."""
    down, across = onto[0] / shape[0], onto[1] / shape[1]
    top, left = min(round(part.y0 * down), onto[0] - 1), min(round(part.x0 * across), onto[1] - 1)
    return Window(top, left, max(round(part.y1 * down), top + 1), max(round(part.x1 * across), left + 1))


def _map_part(map_: TissueMap, part: Window, shape: tuple[int, ...]) -> TissueMap:
    cells = _scaled(part, shape, map_.holds_tissue.shape).slices
    return replace(map_, probabilities=map_.probabilities[(slice(None), *cells)], holds_tissue=map_.holds_tissue[cells])
