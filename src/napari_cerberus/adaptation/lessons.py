"""Images with finished areas, brought to the model grid: what there is to learn from, and what must be said of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..annotation.finished_areas import FinishedArea, Mask, contradictions, finished_masks, finished_tasks
from ..errors import DataError
from ..inference.grid.model_grid import ModelGrid, Window, round_up
from ..inference.grid.rescale import to_model_grid
from ..inference.images.rgb import to_rgb8
from ..model.spec import ModelSpec
from ..pixel_size import PixelSize
from .finished_ground import Ground, task_pixel_size_um

_MARGIN_PX = 240
"""How much around the finished areas is read of an image too large to be kept whole: as far as the encoder sees."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Lesson:
    """One image and what a person finished in it.

    Attributes
    ----------
    image : (H, W, 3) or (H, W, 4) array
        Anything ``inference.annotate`` takes.
    pixel_size_um : float or PixelSize
        Side of an image pixel; height and width where they differ.
    labels : mapping of task key to (H, W) integer array
        The layers as they are; only what lies in finished areas is looked at.
    areas : tuple of FinishedArea
    name : str
        To tell images apart; the same image has the same name in every round.
    """

    image: NDArray[Any]
    pixel_size_um: float | PixelSize
    labels: Mapping[str, NDArray[Any]]
    areas: tuple[FinishedArea, ...]
    name: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sheet:
    """A lesson on the model grid.

    Attributes
    ----------
    image : (h, w, 3) uint8 array
        All of the image, or the part around its finished areas.
    whole : bool
        Whether it is all of the image.
    grounds : mapping of task key to Ground
        Padded to multiples of 16 px.
    """

    image: NDArray[np.uint8]
    whole: bool
    grounds: Mapping[str, Ground]


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """All lessons on the model grid; ``notes`` are sentences for the user."""

    sheets: tuple[Sheet, ...]
    notes: tuple[str, ...] = ()

    def of(self, task: str) -> list[tuple[int, Ground]]:
        """Number of each sheet in which a task was finished, and its ground."""
        return [(place, sheet.grounds[task]) for place, sheet in enumerate(self.sheets) if task in sheet.grounds]

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks that were finished anywhere."""
        return tuple(sorted({task for sheet in self.sheets for task in sheet.grounds}))


@dataclass(frozen=True, kw_only=True)
class _Read:
    """A lesson with its masks on the image grid."""

    lesson: Lesson
    masks: dict[str, Mask] = field(default_factory=dict)


def by_pixel_size(lessons: Sequence[Lesson], spec: ModelSpec) -> dict[float, list[Lesson]]:
    """Lessons with only those areas whose tasks the model reads at one pixel size, in µm, by that size."""
    known = [task.key for task in spec.tasks if task.kind == "instances"]
    wanted = [task for task in known if any(task in finished_tasks(lesson.areas) for lesson in lessons)]
    groups: dict[float, list[Lesson]] = {}
    for size_um in dict.fromkeys(spec.pixel_size_of(task) for task in wanted):
        mine = {task for task in wanted if spec.pixel_size_of(task) == size_um}
        parts = [replace(lesson, areas=_only(lesson.areas, mine)) for lesson in lessons]
        groups[size_um] = [part for part in parts if part.areas]
    return groups or {spec.pixel_size_um: list(lessons)}


def _only(areas: Sequence[FinishedArea], tasks: set[str]) -> tuple[FinishedArea, ...]:
    shared = [(area, tasks & set(area.tasks)) for area in areas]
    return tuple(replace(area, tasks=tuple(mine)) for area, mine in shared if mine)


def prepare(
    lessons: Sequence[Lesson], spec: ModelSpec, earlier: Mapping[str, Sequence[FinishedArea]], most_px: int
) -> Material:
    """Bring lessons to the model grid.

    Parameters
    ----------
    lessons : sequence of Lesson
    spec : ModelSpec
    earlier : mapping of name to areas
        What earlier rounds learned from, by the lesson's name.
    most_px : int
        Most model pixels of an image that are read; of a larger one only the surroundings of its finished areas.

    Raises
    ------
    DataError
        If there is no lesson, no area or no layer, or sizes do not fit; one sentence says what to do.
    """
    reads, notes = _agreeing([_read(lesson, spec) for lesson in lessons])
    sheets = []
    for one in reads:
        sheet, told = _sheet(one, spec, earlier.get(one.lesson.name, ()), most_px)
        sheets.append(sheet)
        notes += told
    if not any(sheet.grounds for sheet in sheets):
        raise DataError("No finished area lies inside an image; mark an area of the image as finished first.")
    return Material(sheets=tuple(sheets), notes=tuple(dict.fromkeys(notes)))


def _read(lesson: Lesson, spec: ModelSpec) -> _Read:
    shape = lesson.image.shape[:2]
    known = {task.key for task in spec.tasks if task.kind == "instances"}
    wanted = finished_tasks(lesson.areas)
    if missing := [task for task in wanted if task not in lesson.labels]:
        raise DataError(f"There is no layer of {missing[0]}, but an area of it is finished; add it or reopen the area.")
    for task in wanted:
        if lesson.labels[task].shape != shape:
            raise DataError(f"The layer of {task} and the image have different sizes; annotate the image again.")
    masks = finished_masks(lesson.areas, (shape[0], shape[1]))
    return _Read(lesson=lesson, masks={task: mask for task, mask in masks.items() if task in known})


def _agreeing(reads: list[_Read]) -> tuple[list[_Read], list[str]]:
    """Without the pixels of one image that two lessons finished differently."""
    notes: list[str] = []
    prints = [hashlib.sha256(one.lesson.image.tobytes()).digest() for one in reads]
    for second in range(len(reads)):
        for first in range(second):
            a, b = reads[first], reads[second]
            if prints[first] != prints[second] or a.lesson.image.shape != b.lesson.image.shape:
                continue
            both = {task: a.masks[task] & b.masks[task] for task in a.masks.keys() & b.masks.keys()}
            for task, mask in contradictions(a.lesson.labels, b.lesson.labels, both).items():
                notes.append(f"Finished areas contradict each other about {task}; where they do, nothing is learned.")
                reads[first] = replace(a, masks={**a.masks, task: a.masks[task] & ~mask})
                reads[second] = replace(b, masks={**b.masks, task: b.masks[task] & ~mask})
                a, b = reads[first], reads[second]
    return reads, notes


def _sheet(one: _Read, spec: ModelSpec, earlier: Sequence[FinishedArea], most_px: int) -> tuple[Sheet, tuple[str, ...]]:
    lesson = one.lesson
    rgb, _notes = to_rgb8(lesson.image)
    size_um = task_pixel_size_um(spec, next(iter(one.masks), ""))
    grid = ModelGrid.of((rgb.shape[0], rgb.shape[1]), lesson.pixel_size_um, size_um)
    before = finished_masks(earlier, (rgb.shape[0], rgb.shape[1]))
    grounds = {task: Ground.of(lesson.labels[task], mask, before.get(task), grid) for task, mask in one.masks.items()}
    grounds = {task: ground for task, ground in grounds.items() if ground.counted.any()}
    image = to_model_grid(rgb, grid)
    if image.shape[0] * image.shape[1] <= most_px or not grounds:
        return Sheet(image=image, whole=True, grounds=grounds), ()
    window = _window(grounds, most_px)
    cut = {task: ground.within(window) for task, ground in grounds.items()}
    whole = all(cut[task].counted.sum() == grounds[task].counted.sum() for task in grounds)
    note = "The image is too large to be kept; only the surroundings of its finished areas were read."
    more = () if whole else ("Memory is short: a part of the finished areas was left out.",)
    return Sheet(image=image[window.slices], whole=False, grounds=cut), (note, *more)


def _window(grounds: Mapping[str, Ground], most_px: int) -> Window:
    """The finished areas with their surroundings, cut around their middle to at most ``most_px``; cells of 16 px."""
    counted = np.any([ground.counted for ground in grounds.values()], axis=0)
    whole = Window(0, 0, *counted.shape)
    edges = [(int(places.min()) // 16 * 16, round_up(int(places.max()) + 1)) for places in np.nonzero(counted)]
    (y0, y1), (x0, x1) = edges
    box = Window(y0, x0, y1, x1).grown(_MARGIN_PX, whole)
    side = max(16, int(most_px**0.5) // 16 * 16)
    if box.shape[0] * box.shape[1] <= most_px:
        return box
    top, bottom = _middle(box.y0, box.y1, min(side, box.shape[0]))
    left, right = _middle(box.x0, box.x1, min(side, box.shape[1]))
    return Window(top, left, bottom, right)


def _middle(low: int, high: int, side: int) -> tuple[int, int]:
    start = low + (high - low - side) // 2 // 16 * 16
    return start, start + side
