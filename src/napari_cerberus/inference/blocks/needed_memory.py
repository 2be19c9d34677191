"""How much memory an image will need, said before it is taken."""

from __future__ import annotations

import math

from ...model.spec import ModelSpec
from ...pixel_size import PixelSize
from ..grid.model_grid import ModelGrid
from ..tile_memory import default_tile_px, tile_bytes

_RGB_BYTES, _LABEL_BYTES = 3, 4
_CUTTING_BYTES = 250 << 20
"""Of a block of objects while it is cut."""
_PREPARED_BYTES = 200 << 20
"""The network as it runs, and what is loaded to run it."""
_GB = 1e9


def needed_bytes(
    shape: tuple[int, int],
    pixel_size: float | PixelSize,
    spec: ModelSpec,
    *,
    free_bytes: int | None,
    margin: int,
    bytes_per_value: int,
) -> int:
    """Memory beside what the program and the opened image take already.

    Parameters
    ----------
    shape : (int, int)
        Of the image.
    pixel_size : float or PixelSize
    spec : ModelSpec
    free_bytes : int or None
        What tiles are chosen by.
    margin : int
        Of a tile, from ``predict.margin_px``.
    bytes_per_value : int
        2 in bfloat16, 4 in float32.
    """
    image = math.prod(shape)
    kept, features = image * _RGB_BYTES, 0
    for size_um, tasks in spec.tasks_by_pixel_size().items():
        grid = ModelGrid.of(shape, pixel_size, size_um)
        bytes_per_px = 4 * sum(task.kind == "instances" for task in tasks) + sum(task.kind == "types" for task in tasks)
        kept += math.prod(grid.shape) * (bytes_per_px + (0 if grid.identical else _RGB_BYTES))
        features = max(features, _features(grid.shape, free_bytes, margin, bytes_per_value))
    labels = image * _LABEL_BYTES * sum(task.kind == "instances" for task in spec.tasks) + _CUTTING_BYTES
    return _PREPARED_BYTES + kept + max(features, labels)


def memory_sentence(needed: int, free_bytes: int | None, *, is_large: bool) -> str:
    """For the user: nothing for an ordinary image, the need of a large one, a warning where it will not fit."""
    if free_bytes is not None and needed > free_bytes:
        return (
            f"This image will need about {needed / _GB:.1f} GB of memory and {free_bytes / _GB:.1f} GB are free; "
            "close other programs or annotate a smaller region."
        )
    return f"This image will need about {needed / _GB:.1f} GB of memory." if is_large else ""


def _features(shape: tuple[int, int], free_bytes: int | None, margin: int, bytes_per_value: int) -> int:
    tile = default_tile_px(shape, free_bytes, margin, bytes_per_value)
    return tile_bytes(tile, shape, margin, bytes_per_value)
