"""Annotating again what nobody finished: only the heads that learned, from kept features."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..annotation.finished_areas import Mask, finished_masks
from ..annotation.object_columns import empty_table
from ..errors import CerberusError, DeviceError
from ..inference.annotate import objects_from
from ..inference.annotate_settings import AnnotateSettings
from ..inference.device import choose_runtime
from ..inference.grid.model_grid import ModelGrid, round_up
from ..inference.grid.rescale import to_model_grid
from ..inference.images.rgb import to_rgb8
from ..inference.predict import Prediction, is_out_of_memory, predict
from ..progress import Job, Progress
from ..tasks import GLANDS, LUMINA
from .adapted_model import Adapted
from .finished_ground import task_pixel_size_um
from .held_out import probabilities
from .lessons import Lesson

MOST_COVERED = 0.25
"""A new object that lies by more than this share on finished pixels or objects is left out; by less it is cut."""
_TILE_PX = 512


@dataclass(frozen=True, kw_only=True, eq=False)
class Rest:
    """The answer of an adapted model about one image, for the tasks that it learned.

    Attributes
    ----------
    labels : mapping of task key to (H, W) int32 array
        Everything that the model finds, ids 1..n: material for a merge, object by object.
    objects : DataFrame
        As ``Annotation.objects``, of ``labels``.
    placed : mapping of task key to (H, W) int32 array
        Finished objects as they are, with their ids, and new ones outside of finished areas, with ids above those.
    probabilities : mapping of task key to (2, h, w) float16 array
        As ``Annotation.probabilities``.
    """

    labels: Mapping[str, NDArray[np.int32]]
    objects: pd.DataFrame
    placed: Mapping[str, NDArray[np.int32]]
    probabilities: Mapping[str, NDArray[np.float16]] = field(default_factory=dict)


def annotate_rest(adapted: Adapted, lesson: Lesson, settings: AnnotateSettings) -> Job[Rest]:
    """Annotate an image again with what was learned.

    Parameters
    ----------
    adapted : Adapted
        Features that it kept of the image named as ``lesson`` is are used; otherwise the image is read again.
    lesson : Lesson
    settings : AnnotateSettings
        As for ``annotate``; flips are left out.

    Raises
    ------
    DeviceError
        If memory is short.
    CerberusError
        If the computation fails in any other way.
    """
    try:
        return (yield from _annotate_rest(adapted, lesson, settings))
    except (MemoryError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise DeviceError("There is not enough memory for this image; annotate a smaller region.") from error
        raise CerberusError(f"The computation failed: {error}") from error


def _annotate_rest(adapted: Adapted, lesson: Lesson, settings: AnnotateSettings) -> Job[Rest]:
    if not adapted.tasks:
        return Rest(labels={}, objects=empty_table(), placed={})
    rgb, _notes = to_rgb8(lesson.image)
    shape = (rgb.shape[0], rgb.shape[1])
    model = adapted.model
    wanted = list(adapted.tasks)
    if LUMINA in wanted and GLANDS not in wanted and model.spec.task(GLANDS) is not None:
        wanted.append(GLANDS)  # lumina are clipped to glands
    prediction = Prediction()
    for size_um in dict.fromkeys(task_pixel_size_um(model.spec, task) for task in wanted):
        tasks = [task for task in wanted if task_pixel_size_um(model.spec, task) == size_um]
        grid = ModelGrid.of(shape, lesson.pixel_size_um, size_um)
        part = yield from _prediction(adapted, tasks, rgb, grid, lesson.name, settings)
        prediction = Prediction(
            probabilities={**prediction.probabilities, **part.probabilities},
            type_maps={**prediction.type_maps, **part.type_maps},
        )
    chosen = replace(settings, pixel_size_um=lesson.pixel_size_um)
    labels, objects = yield from objects_from(prediction, model, chosen, grid)
    labels = {task: labels[task] for task in adapted.tasks}
    masks = finished_masks(lesson.areas, shape)
    nothing = np.zeros(shape, bool)
    return Rest(
        labels=labels,
        objects=objects[objects["task"].isin(adapted.tasks)].reset_index(drop=True),
        placed={
            task: placed(labels[task], lesson.labels.get(task, np.zeros(shape, np.int32)), masks.get(task, nothing))
            for task in adapted.tasks
        },
        probabilities={task: prediction.probabilities[task] for task in adapted.tasks},
    )


def _prediction(
    adapted: Adapted, tasks: list[str], rgb: NDArray[np.uint8], grid: ModelGrid, name: str, settings: AnnotateSettings
) -> Job[Prediction]:
    """Probabilities of some tasks, and the types of their objects."""
    runtime = choose_runtime(settings.device)
    model, kept = adapted.model, adapted.features.get((name, task_pixel_size_um(adapted.model.spec, tasks[0])))
    typed = [task for task in model.spec.tasks if task.types_of in tasks]
    if kept is None or kept.whole.shape != tuple(map(round_up, grid.shape)) or typed:
        keys = [*tasks, *(task.key for task in typed)]
        image = to_model_grid(rgb, grid)
        return (yield from predict(image, model, runtime, tile_size_px=settings.tile_size_px, keys=keys))
    network = copy.deepcopy(model.network).to(runtime.device)
    shares = {}
    for task in tasks:
        shares[task] = np.zeros((2, *kept.whole.shape), np.float16)
        for done, part in enumerate(parts := kept.whole.split(_TILE_PX)):
            yield Progress(f"Annotating {task} again", done, len(parts))
            found = probabilities(network, model, task, kept, part, runtime)
            shares[task][(slice(None), *part.slices)] = found
    height, width = grid.shape
    return Prediction(probabilities={task: whole[:, :height, :width] for task, whole in shares.items()})


def placed(new: NDArray[np.int32], current: NDArray[Any], finished: Mask) -> NDArray[np.int32]:
    """Finished objects as they are, and new ones around them.

    Parameters
    ----------
    new : (H, W) int32 array
        What the adapted model finds.
    current : (H, W) integer array
        The layer; objects with a pixel in ``finished`` stay, whole.
    finished : (H, W) bool array

    Returns
    -------
    (H, W) int32 array
        Kept objects with their ids; new ones with ids above the layer's largest.
    """
    stay = np.setdiff1d(current[finished], [0])
    kept = np.where(np.isin(current, stay), current, 0)
    taken = finished | (kept > 0)
    areas = np.bincount(new.ravel())
    covered = np.bincount(new[taken], minlength=len(areas))
    fits = covered <= MOST_COVERED * areas
    fits[0] = False
    fresh = np.where(fits[new] & ~taken, new, 0)
    ids = np.cumsum(fits) + int(current.max(initial=0))
    return np.where(fresh > 0, ids[fresh], kept).astype(np.int32)
