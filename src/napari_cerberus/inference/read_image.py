"""An image read by the network at every pixel size that the model's tasks ask for, with one encoder."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..model.checkpoint import Model
from ..model.runtime import give_back_memory
from ..pixel_size import PixelSize
from ..progress import Job, Progress
from .device import Runtime
from .grid.model_grid import ModelGrid
from .grid.rescale import to_model_grid
from .predict import READING, Prediction, predict

Pixels = NDArray[np.uint8]
_PREPARING = "Preparing the image"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What the network says of an image, each task on its own grid.

    Attributes
    ----------
    prediction : Prediction
    grid : ModelGrid
        Of the model's own pixel size: that of the tissue head.
    image : (h, w, 3) uint8 array
        The image on that grid.
    """

    prediction: Prediction
    grid: ModelGrid
    image: Pixels


def read_image(
    rgb: Pixels,
    model: Model,
    runtime: Runtime,
    pixel_size: float | PixelSize,
    *,
    tile_size_px: int | None = None,
    turned: Callable[[Pixels], Pixels] | None = None,
) -> Job[Reading]:
    """Run the network once for each pixel size of the model's tasks.

    Parameters
    ----------
    rgb : (H, W, 3) uint8 array
    model : Model
    runtime : Runtime
    pixel_size : float or PixelSize
        Of the image.
    tile_size_px : int, optional
    turned : callable, optional
        Applied to the image on each grid; mirrors it.

    Raises
    ------
    DeviceError, CerberusError
        As ``predict``.
    """
    shape = (rgb.shape[0], rgb.shape[1])
    own = ModelGrid.of(shape, pixel_size, model.spec.pixel_size_um)
    own_image = to_model_grid(rgb, own)
    yield Progress(_PREPARING)
    scales = model.spec.tasks_by_pixel_size()
    grids = {size_um: ModelGrid.of(shape, pixel_size, size_um) for size_um in scales}
    total_px = sum(math.prod(grid.shape) for grid in grids.values())
    whole, read_px = Prediction(), 0
    for size_um, tasks in scales.items():
        is_own = size_um == model.spec.pixel_size_um
        image = own_image if is_own else to_model_grid(rgb, grids[size_um])
        yield Progress(READING, read_px, total_px) if read_px else Progress(_PREPARING)
        keys = None if len(tasks) == len(model.spec.tasks) else [task.key for task in tasks]
        seen = image if turned is None else turned(image)
        size_px = math.prod(grids[size_um].shape)
        job = predict(seen, model, runtime, tile_size_px=tile_size_px, keys=keys)
        part = yield from _as_share(job, read_px, size_px, total_px)
        read_px += size_px
        give_back_memory()  # what the features took, before the next grid needs as much
        whole = _joined(whole, part)
    order = [task.key for task in model.spec.tasks if task.key in whole.probabilities]
    whole = replace(whole, probabilities={key: whole.probabilities[key] for key in order})
    return Reading(prediction=whole, grid=own, image=own_image)


def _as_share(job: Job[Prediction], before_px: int, size_px: int, total_px: int) -> Job[Prediction]:
    """Drive ``job`` as that share of a longer one; what is done never falls, even where tiles get smaller."""
    done_px = before_px
    try:
        while True:
            try:
                step = next(job)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            done_px = max(done_px, before_px + round(size_px * (step.fraction or 0.0)))
            yield replace(step, done=done_px, total=total_px)
    finally:
        job.close()


def embed(
    rgb: Pixels, model: Model, runtime: Runtime, pixel_size: float | PixelSize
) -> Job[NDArray[np.float32] | None]:
    """The vector of an (H, W, 3) uint8 image, without its objects: only the encoder runs.

    ``annotate`` gives the same vector at no cost.

    Returns
    -------
    (512,) float32 array or None
        None where the model has no tissue head, or the image no tissue.

    Raises
    ------
    DeviceError, CerberusError
        As ``predict``.
    """
    task = next((one for one in model.spec.tasks if one.kind == "tissue"), None)
    if task is None:
        return None
    grid = ModelGrid.of((rgb.shape[0], rgb.shape[1]), pixel_size, model.spec.pixel_size_um)
    return (yield from predict(to_model_grid(rgb, grid), model, runtime, keys=[task.key])).embedding


def _joined(first: Prediction, second: Prediction) -> Prediction:
    return Prediction(
        probabilities={**first.probabilities, **second.probabilities},
        type_maps={**first.type_maps, **second.type_maps},
        tissue=second.tissue if first.tissue is None else first.tissue,
        embedding=second.embedding if first.embedding is None else first.embedding,
        notes=(*first.notes, *(note for note in second.notes if note not in first.notes)),
    )
