"""A tile after the network has read it once: cut into objects with as many settings as one likes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...inference.annotate import objects_from
from ...inference.annotate_settings import AnnotateSettings, DeviceChoice
from ...inference.device import choose_runtime
from ...inference.grid.model_grid import ModelGrid
from ...inference.predict import Prediction
from ...inference.read_image import read_image
from ...inference.tissue_readout import tissue_cells
from ...model.checkpoint import Model
from ...progress import Job
from ..data.tile_sources import LoadedTile, Tile
from .metrics.tile_sums import require_same_shape


@dataclass(frozen=True, kw_only=True)
class SeenTile:
    """A tile and what the network says of it.

    Attributes
    ----------
    loaded : LoadedTile
    grid : ModelGrid
    prediction : Prediction
    holds_tissue : (h, w) bool array
        Cells of the tissue head that count for the readout.
    """

    loaded: LoadedTile
    grid: ModelGrid
    prediction: Prediction
    holds_tissue: NDArray[np.bool_]


def see_tile(model: Model, tile: Tile, *, device: DeviceChoice = "auto") -> Job[SeenTile]:
    """Run the network on a tile, on the same grid and in the same way as ``annotate``.

    Raises
    ------
    DataError, ImageError
        If the tile cannot be read or its labels do not fit.
    DeviceError, CerberusError
        If the model cannot run here.
    """
    loaded = tile.load()
    for labels in loaded.labels.values():
        require_same_shape(labels, loaded.image[..., 0])
    reading = yield from read_image(loaded.image, model, choose_runtime(device), loaded.pixel_size)
    return SeenTile(
        loaded=loaded, grid=reading.grid, prediction=reading.prediction, holds_tissue=tissue_cells(reading.image)
    )


def cut_objects(
    seen: SeenTile, model: Model, settings: AnnotateSettings, tasks: Collection[str]
) -> Job[dict[str, NDArray[np.int32]]]:
    """Labels of some tasks on the tile's own grid, with the model's thresholds and these settings."""
    wanted = {key: shares for key, shares in seen.prediction.probabilities.items() if key in tasks}
    labels, _table = yield from objects_from(replace(seen.prediction, probabilities=wanted), model, settings, seen.grid)
    return labels
