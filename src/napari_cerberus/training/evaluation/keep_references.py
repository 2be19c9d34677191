"""Choosing and reading the tiles that are kept with a model: what its tissue classes were learned from."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import DataError
from ...inference.annotate_settings import DeviceChoice
from ...inference.device import choose_runtime
from ...inference.read_image import embed
from ...model.checkpoint import Model
from ...model.reference_tiles import ReferenceTiles
from ...progress import Job, Progress, as_one_step
from ..data.tile_sources import Tile
from .scoring import TISSUE
from .selection import Selection

THUMBNAIL_PX = 96
_JPEG_QUALITY = 80


def keep_references(
    model: Model,
    train: Selection,
    validation: Selection,
    *,
    count: int,
    attribution: str = "",
    device: DeviceChoice = "auto",
) -> Job[ReferenceTiles]:
    """Vectors of training tiles with a tissue class, and how far validation tiles are from them.

    Parameters
    ----------
    model : Model
        With a tissue head.
    train, validation : Selection
        Sides of the split that the model was trained with; no patient is in both.
    count : int
        Training tiles to keep: classes in turn, and patients in turn within a class.
    attribution : str
        Whose tiles they are and under which licence; without it no thumbnails are kept.
    device : {"auto", "cpu", "cuda", "mps"}

    Raises
    ------
    DataError
        If a side is another than it must be, or no tile has a class that the model knows.
    """
    if (train.side, validation.side) != ("train", "validation"):
        raise DataError("Reference tiles come from the training side, and their yardstick from the validation side.")
    classes = model.spec.tissue_classes
    kept = _in_turn([tile for tile in train.tiles if _has_class(tile, classes)])[:count]
    held = [tile for tile in validation.tiles if _has_class(tile, classes)]
    if not kept:
        raise DataError("No training tile has a tissue class that the model knows; no reference tiles can be kept.")
    vectors, used, thumbnails = yield from _read(model, kept, device, "Reading training tiles", bool(attribution))
    away, _, _ = yield from _read(model, held, device, "Reading validation tiles", False)
    references = ReferenceTiles(
        vectors=np.stack(vectors).astype(np.float16).astype(np.float32),  # as they are kept
        classes=classes,
        class_of=np.array([classes.index(tile.stratum) for tile in used], np.int64),
        names=tuple(tile.id for tile in used),
        patients=tuple(tile.patient for tile in used),
        held_out=np.zeros(0, np.float32),
        thumbnails=tuple(thumbnails),
        attribution=attribution,
        weights_sha256=model.sha256,
    )
    distances = sorted(references.distance(vector) for vector in away)
    return replace(references, held_out=np.array(distances, np.float32))


def _has_class(tile: Tile, classes: Sequence[str]) -> bool:
    return TISSUE in tile.tasks and tile.stratum in classes


def _in_turn(tiles: Sequence[Tile]) -> list[Tile]:
    """One tile of each class, the next of each, ...; within a class one of each patient before a second of any."""
    by_class: dict[str, dict[str, list[Tile]]] = defaultdict(lambda: defaultdict(list))
    for tile in sorted(tiles, key=lambda one: one.id):
        by_class[tile.stratum][tile.patient].append(tile)
    rows = [_alternating(list(patients.values())) for patients in by_class.values()]
    return _alternating(rows)


def _alternating(rows: Sequence[Sequence[Tile]]) -> list[Tile]:
    return [tile for tile in chain.from_iterable(zip_longest(*rows)) if tile is not None]


def _read(
    model: Model, tiles: Sequence[Tile], device: DeviceChoice, stage: str, pictures: bool
) -> Job[tuple[list[NDArray[np.float32]], list[Tile], list[bytes]]]:
    """Vectors of the tiles that hold tissue, those tiles, and their thumbnails."""
    vectors: list[NDArray[np.float32]] = []
    used: list[Tile] = []
    thumbnails: list[bytes] = []
    for done, tile in enumerate(tiles):
        step = Progress(stage, done, len(tiles))
        yield step
        loaded = tile.load()
        vector = yield from as_one_step(embed(loaded.image, model, choose_runtime(device), loaded.pixel_size), step)
        if vector is None:
            continue
        vectors.append(vector)
        used.append(tile)
        if pictures:
            thumbnails.append(_thumbnail(loaded.image, loaded.pixel_size.x_um / loaded.pixel_size.y_um))
    return vectors, used, thumbnails


def _thumbnail(image: NDArray[np.uint8], width_to_height: float) -> bytes:
    """A small JPEG in the image's true shape; ``width_to_height`` of one pixel."""
    height, width = image.shape[:2]
    scale = THUMBNAIL_PX / max(height, width * width_to_height)
    size = max(1, round(width * width_to_height * scale)), max(1, round(height * scale))
    stream = io.BytesIO()
    Image.fromarray(image).resize(size, Image.Resampling.BOX).save(stream, "JPEG", quality=_JPEG_QUALITY)
    return stream.getvalue()
