"""The annotated image on the grid of the tiles, and what one tile of it holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...annotation.object_columns import UNREVIEWED
from ...errors import DataError
from ...progress import Job, Progress
from ..label_arrays import Box, object_areas, object_boxes, object_ids
from ..layout.sidecar import SidecarObject
from ..object_rows import (
    ACCEPTED_STATES,
    REJECTED_STATES,
    Row,
    review_cell,
    rows_by_object,
    share_cell,
    text_cell,
)
from .export_source import Choice, ExportSettings, ExportSource
from .resample import resample_image, resample_labels, same_scale, scaled_shape
from .tile_windows import Window, grid_windows, object_windows

_MAX_CANVAS_PX = 400_000_000


@dataclass(frozen=True, kw_only=True)
class Tile:
    """Content of one pair.

    Attributes
    ----------
    image : (side, side, 3) uint8 array
    mask : (side, side) bool array
    planes : mapping of task to (side, side) int32 array
        Instance labels with ids 1..n, all objects whatever their review state.
    objects : tuple of SidecarObject
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    planes: Mapping[str, NDArray[np.int32]]
    objects: tuple[SidecarObject, ...]

    def sha256(self, *also: str) -> str:
        """Hash of everything that makes two exports of this tile the same or different."""
        digest = hashlib.sha256(json.dumps(also).encode())
        digest.update(np.ascontiguousarray(self.image).data)
        digest.update(np.packbits(self.mask).data)
        for task in sorted(self.planes):
            digest.update(task.encode())
            digest.update(np.ascontiguousarray(self.planes[task]).data)
        known = [one.model_dump() for one in sorted(self.objects, key=lambda one: (one.task, one.id))]
        digest.update(json.dumps(known, sort_keys=True).encode())
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """The image and its labels at the pixel size of the tiles.

    Attributes
    ----------
    image : (h, w, 3) uint8 array
    labels : mapping of task to (h, w) int32 array
    scale : (float, float)
        Canvas pixels a source pixel, by axis.
    areas : mapping of task to (mapping of id to pixels)
    rows : mapping of (task, id) to the object table's row
    """

    source: ExportSource
    settings: ExportSettings
    image: NDArray[np.uint8]
    labels: Mapping[str, NDArray[np.int32]]
    scale: tuple[float, float]
    areas: Mapping[str, Mapping[int, int]]
    rows: Mapping[tuple[str, int], Row]

    @property
    def pixel_size_um(self) -> float:
        """Of the canvas and of the tiles."""
        return tile_pixel_size(self.source, self.settings)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.image.shape[0], self.image.shape[1]

    def windows(self) -> list[Window]:
        """Where the tiles lie. Raises ``DataError`` if the image is too small and that is to be refused."""
        side = self.settings.tile_px
        height, width = self.shape
        if min(height, width) < side and self.settings.small == "refuse":
            raise DataError(
                f"{self.source.name} has {width}×{height} px at {self.pixel_size_um:g} µm/px, less than a tile of "
                f"{side} px; choose a smaller pixel size, or have it padded."
            )
        if self.settings.cut == "objects":
            return object_windows(self.shape, side, self._reviewed_boxes())
        return grid_windows(self.shape, side, self.settings.overlap_px)

    def tile(self, window: Window) -> Tile:
        """Cut one tile; its objects are numbered 1..n."""
        planes: dict[str, NDArray[np.int32]] = {}
        objects: list[SidecarObject] = []
        mask = np.zeros((window.side, window.side), dtype=np.bool_)
        for task, labels in self.labels.items():
            cut = window.cut_labels(labels)
            ids = object_ids(cut)
            planes[task] = np.searchsorted(ids, cut, side="right").astype(np.int32) * (cut > 0)
            areas = np.bincount(planes[task].ravel(), minlength=len(ids) + 1)
            objects += [self._object(task, number, int(id_), int(areas[number])) for number, id_ in enumerate(ids, 1)]
            if task == self.settings.task:
                shown = [one.id for one in objects if one.task == task and one.in_mask]
                mask = np.isin(planes[task], shown)
        return Tile(image=window.cut_image(self.image), mask=mask, planes=planes, objects=tuple(objects))

    def crop(self, window: Window) -> tuple[float, float, float, float]:
        """The window in pixels of the source image: y0, x0, y1, x1."""
        down, right = self.scale
        y1, x1 = window.y0 + window.side, window.x0 + window.side
        corners = (window.y0 / down, window.x0 / right, y1 / down, x1 / right)
        return tuple(round(corner, 3) for corner in corners)  # type: ignore[return-value]

    def _object(self, task: str, number: int, source_id: int, area: int) -> SidecarObject:
        row = self.rows.get((task, source_id), {})
        review = review_cell(row) or UNREVIEWED
        return SidecarObject(
            task=task,
            id=number,
            source_id=source_id,
            class_name=text_cell(row, "class"),
            class_probability=share_cell(row, "class_probability"),
            confidence=share_cell(row, "confidence"),
            review=review,
            in_mask=task == self.settings.task and is_chosen(review, self.settings.objects),
            whole=area == int(self.areas[task][source_id]),
        )

    def _reviewed_boxes(self) -> Iterator[Box]:
        for id_, box in object_boxes(self.labels[self.settings.task]):
            review = review_cell(self.rows.get((self.settings.task, id_), {}))
            if review in ACCEPTED_STATES:
                yield box


def make_canvas(source: ExportSource, settings: ExportSettings) -> Job[Canvas]:
    """Bring image and labels to the pixel size of the tiles.

    Raises
    ------
    DataError
        If the mask's task or a checked one has no labels, or the canvas would be far too large.
    """
    absent = [task for task in settings.checked if task not in source.annotated.labels]
    if absent:
        raise DataError(f"{source.name} has no labels of {absent[0]}, so they cannot be checked; leave them out.")
    if settings.task not in source.annotated.labels:
        raise DataError(
            f"{source.name} has no labels of {settings.task!r}; it has {', '.join(sorted(source.annotated.labels))}."
        )
    height, width = source.image.shape[:2]
    size, tile_um = source.annotated.pixel_size, tile_pixel_size(source, settings)
    shape = scaled_shape((height, width), (size.y_um / tile_um, size.x_um / tile_um))
    if shape[0] * shape[1] > _MAX_CANVAS_PX:
        raise DataError(f"{source.name} would have {shape[1]}×{shape[0]} px; choose a larger pixel size.")
    labels: dict[str, NDArray[np.int32]] = {}
    for done, task in enumerate(source.annotated.labels):
        yield Progress("Preparing the image", done, len(source.annotated.labels))
        labels[task] = yield from resample_labels(source.annotated.labels[task], shape)
    return Canvas(
        source=source,
        settings=settings,
        image=resample_image(source.image, shape),
        labels=labels,
        scale=(shape[0] / height, shape[1] / width),
        areas={task: object_areas(plane) for task, plane in labels.items()},
        rows=rows_by_object(source.annotated.objects),
    )


def tile_pixel_size(source: ExportSource, settings: ExportSettings) -> float:
    """µm a pixel of the tiles: the wanted one, or the image's own where that is the same or none is wanted."""
    wanted = settings.pixel_size_um
    if wanted is None or same_scale(source.annotated.pixel_size_um / wanted):
        return source.annotated.pixel_size_um
    return wanted


def is_chosen(review: str, choice: Choice) -> bool:
    """Whether an object in this review state enters the mask."""
    return review in ACCEPTED_STATES if choice == "accepted" else review not in REJECTED_STATES
