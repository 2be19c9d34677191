"""The whole job: an image and a model in, labels, a table and a tissue readout out. One generator for every user of it.

Importing this module loads no torch: the job does, when it starts.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..annotation.annotated_image import AnnotatedImage, ModelRun
from ..annotation.frame import Frame
from ..annotation.object_columns import MODEL_COLUMNS, empty_table, utc_now
from ..errors import CerberusError, DeviceError, ImageError
from ..progress import Job, Progress
from .annotate_settings import AnnotateSettings

if TYPE_CHECKING:
    import pandas as pd

    from ..model.checkpoint import Model
    from .device import Runtime
    from .grid.model_grid import ModelGrid
    from .predict import Prediction
    from .reasons.resemblance import Resemblance
    from .tissue_readout import TissueMap

MAX_MODEL_PIXELS = 400_000_000
"""An image is refused if it were larger than this on the model grid (20,000 px square)."""
_COARSE = 2.5
_LARGE_PIXELS = 4 << 20
"""An image is cut in blocks, and its need of memory is told, if its finest model grid has more pixels than this."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Annotation(AnnotatedImage):
    """An annotated image fresh from the network, with what only that moment gives.

    Attributes
    ----------
    resemblance : Resemblance or None
        Tiles that the model learned from and the image resembles; None where it keeps none.
    tissue_map : TissueMap or None
        For images of several tissue windows.
    embedding : (512,) float32 array or None
        The image's tissue as one vector, for ``model.reference_tiles``.
    probabilities : mapping of task key to (2, h, w) float16 array
        Inner and contour on the model grid.
    """

    resemblance: Resemblance | None = None
    tissue_map: TissueMap | None = None
    embedding: NDArray[np.float32] | None = None
    probabilities: Mapping[str, NDArray[np.float16]] = field(default_factory=dict)


def annotate(
    image: ArrayLike, model: Model, settings: AnnotateSettings, *, frame: Frame | None = None
) -> Job[Annotation]:
    """Annotate one image.

    Parameters
    ----------
    image : (H, W, 3) or (H, W, 4) array
        Anything ``inference.images.rgb.to_rgb8`` takes; it is copied.
    model : Model
        Left as it is.
    settings : AnnotateSettings
    frame : Frame, optional
        Which image it is, or which part of one; None: a whole image without a name.

    Yields
    ------
    Progress
        At every tile and decoder, and at every task afterwards; closing the generator there cancels.

    Returns
    -------
    Annotation

    Raises
    ------
    ImageError
        If the image cannot be annotated.
    DeviceError
        If the device is absent or memory is short even for small tiles.
    CerberusError
        If the computation fails in any other way; never ``RuntimeError``.
    """
    job = _annotate(image, model, settings, frame)
    del image  # once it is copied, the caller's array is not held
    try:
        return (yield from job)
    except MemoryError as error:
        raise DeviceError("There is not enough memory for this image; annotate a smaller region.") from error
    except RuntimeError as error:  # napari's workers swallow RuntimeError
        raise CerberusError(f"The computation failed: {error}") from error


def _annotate(image: ArrayLike, model: Model, settings: AnnotateSettings, frame: Frame | None) -> Job[Annotation]:
    # These need torch and scikit-image, which take seconds to load: not before the job runs.
    from ..model.runtime import give_back_memory
    from ..model.stain_profile import unlike
    from .device import choose_runtime
    from .doubts.scale_check import check_scale
    from .grid.model_grid import ModelGrid
    from .images.rgb import to_rgb8
    from .prepared_network import forget_prepared
    from .read_image import read_image
    from .reasons.tissue_answer import tissue_answer

    started = time.perf_counter()
    yield Progress("Preparing the image")
    rgb, notes = to_rgb8(image)
    del image
    if warning := unlike(rgb, model):
        notes = (warning, *notes)
    finest_um = min(model.spec.tasks_by_pixel_size())
    grid = ModelGrid.of((rgb.shape[0], rgb.shape[1]), settings.pixel_size_um, finest_um)
    notes += _check_grid(grid, settings, model)
    runtime = choose_runtime(settings.device)
    yield Progress("Preparing the image", message=_memory_sentence(grid, model, settings, runtime))
    reading = yield from read_image(rgb, model, runtime, settings.pixel_size_um, tile_size_px=settings.tile_size_px)
    readings: list[Mapping[str, NDArray[np.int32]]] = []
    if settings.flips:
        readings = yield from _flipped_readings(rgb, model, runtime, settings)
    tissue = tissue_answer(reading, model)
    prediction, known = reading.prediction, frame or Frame.of_image(rgb)
    del rgb, reading  # the labels need the room
    if _is_large(grid):
        forget_prepared()
    give_back_memory()
    labels, objects = yield from _all_objects(prediction, model, settings, grid, readings)
    scale = check_scale(objects, settings.mean_pixel_um)
    run = _run(model, settings, runtime, seconds=time.perf_counter() - started)
    return Annotation(
        frame=known,
        pixel_size=settings.pixel_size,
        labels=labels,
        objects=objects,
        tissue=tissue.shares,
        tissue_doubt=tissue.doubt,
        resemblance=tissue.resemblance,
        tissue_map=tissue.map,
        embedding=prediction.embedding,
        probabilities=prediction.probabilities,
        runs=dict.fromkeys((task.key for task in model.spec.tasks), run),
        notes=(*notes, *prediction.notes, *tissue.notes, *([scale.sentence] if scale else [])),
    )


def _run(model: Model, settings: AnnotateSettings, runtime: Runtime, *, seconds: float) -> ModelRun:
    return ModelRun(
        model_name=model.name,
        model_sha256=model.sha256,
        model_pixel_size_um=model.spec.pixel_size_um,
        device=runtime.name,
        precision=runtime.precision,
        device_reason=runtime.reason,
        sensitivity=settings.sensitivity,
        flips=settings.flips,
        made_at=utc_now(),
        seconds=seconds,
    )


def _memory_sentence(grid: ModelGrid, model: Model, settings: AnnotateSettings, runtime: Runtime) -> str:
    from .blocks.needed_memory import memory_sentence, needed_bytes
    from .free_memory import free_memory_bytes
    from .predict import margin_px
    from .prepared_network import prepare

    if runtime.device.type != "cpu":  # the card's memory is not what results lie in
        return ""
    free = free_memory_bytes(runtime.device)
    needed = needed_bytes(
        grid.image_shape,
        settings.pixel_size_um,
        model.spec,
        free_bytes=free,
        margin=margin_px(prepare(model, runtime)),
        bytes_per_value=runtime.dtype.itemsize,
    )
    return memory_sentence(needed, free, is_large=_is_large(grid))


def _is_large(grid: ModelGrid) -> bool:
    return grid.shape[0] * grid.shape[1] > _LARGE_PIXELS


def _all_objects(
    prediction: Prediction,
    model: Model,
    settings: AnnotateSettings,
    grid: ModelGrid,
    readings: Sequence[Mapping[str, NDArray[np.int32]]],
) -> Job[tuple[dict[str, NDArray[np.int32]], pd.DataFrame]]:
    """In one piece, or block by block where the image is large; ``grid`` is the finest. Flips need one piece."""
    from .blocks.by_blocks import MAX_PIXELS, objects_by_blocks

    image = grid.image_shape
    if readings or not _is_large(grid) or image[0] * image[1] > MAX_PIXELS:
        return (yield from objects_from(prediction, model, settings, grid, readings))
    return (yield from objects_by_blocks(prediction, model, settings, image))


def _flipped_readings(
    image: NDArray[np.uint8], model: Model, runtime: Runtime, settings: AnnotateSettings
) -> Job[list[Mapping[str, NDArray[np.int32]]]]:
    """The objects, on the model grid, that are found in the flipped image; nothing else of it is kept."""
    from .cut_objects import cut_objects
    from .objects.flip_agreement import FLIPS, flipped, staged
    from .read_image import read_image

    readings: list[Mapping[str, NDArray[np.int32]]] = []
    for number, axes in enumerate(FLIPS, start=1):
        stage = f"Reading the image flipped, {number} of {len(FLIPS)}"
        job = read_image(
            image,
            model,
            runtime,
            settings.pixel_size_um,
            tile_size_px=settings.tile_size_px,
            turned=partial(flipped, axes=axes),
        )
        reading = yield from staged(job, stage)
        cut = yield from staged(cut_objects(reading.prediction, model, settings), stage)
        readings.append({task: flipped(labels, axes) for task, labels in cut.items()})
    return readings


def _check_grid(grid: ModelGrid, settings: AnnotateSettings, model: Model) -> tuple[str, ...]:
    """Notes on the pixel size. Raises ``ImageError`` where the image would be too large on the model grid."""
    height, width = grid.shape
    if height * width > MAX_MODEL_PIXELS:
        raise ImageError(
            f"With pixels of {settings.mean_pixel_um:g} µm the model would have to read {width} × {height} pixels; "
            "check the pixel size, or annotate a smaller region."
        )
    if settings.mean_pixel_um > _COARSE * model.spec.pixel_size_um:
        return (
            f"The image has pixels of {settings.mean_pixel_um:g} µm; the model knows {model.spec.pixel_size_um:g} µm "
            "and will miss small objects.",
        )
    return ()


def objects_from(
    prediction: Prediction,
    model: Model,
    settings: AnnotateSettings,
    grid: ModelGrid,
    readings: Sequence[Mapping[str, NDArray[np.int32]]] = (),
) -> Job[tuple[dict[str, NDArray[np.int32]], pd.DataFrame]]:
    """Labels of each instance task on the image grid, and the table of all their objects.

    ``grid`` lies over the whole image; each task is drawn from the grid of its own pixel size.
    It does not run the network, so that one prediction can be cut with many thresholds and settings. ``readings`` are
    objects found in the flipped image; where there are any, confidence includes agreement with them.
    """
    import pandas as pd

    from .cut_objects import cut_objects, object_settings_of
    from .grid.model_grid import ModelGrid
    from .grid.upsample import numbered_alike, to_image_grid
    from .objects.flip_agreement import agreement, of_task
    from .objects.found_objects import object_classes, object_confidence, object_table
    from .objects.postprocess import foreground_level

    cut = yield from cut_objects(prediction, model, settings)
    labels: dict[str, NDArray[np.int32]] = {}
    tables: list[pd.DataFrame] = []
    for task, on_model in cut.items():
        size_um = model.spec.pixel_size_of(task)
        grid = ModelGrid.of(grid.image_shape, settings.pixel_size_um, size_um)
        inner, contour = prediction.probabilities[task].astype(np.float32)
        level = None
        if not grid.identical:
            level = foreground_level(task, inner, contour, size_um, object_settings_of(task, model, settings))
        drawn = yield from to_image_grid(on_model, level, grid, f"Drawing {task}")
        labels[task], on_model = numbered_alike(drawn, on_model)
        types = next((other for other in model.spec.tasks if other.types_of == task), None)
        classes = object_classes(on_model, prediction.type_maps[types.key], types.classes) if types else None
        confidence = object_confidence(on_model, inner, contour)
        if readings:
            confidence = confidence * agreement(on_model, of_task(readings, task))
        tables.append(object_table(task, labels[task], settings.pixel_size_um, confidence=confidence, classes=classes))
    filled = [table for table in tables if len(table)]
    return labels, pd.concat(filled, ignore_index=True) if filled else empty_table(MODEL_COLUMNS)
