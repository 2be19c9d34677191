"""One whole slide: resolution levels as lazy arrays, pixel size and name. No pixel is read before it is used."""

from __future__ import annotations

import itertools
import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from ...annotation.frame import image_key
from ...decode_errors import DECODE_ERRORS, reason_of
from ...errors import ImageError
from ...inference.grid.model_grid import Window
from ...pixel_size import PixelSize, PixelSizeSource

Pixels = NDArray[np.uint8]

BELIEVED_UM = (0.1, 5.0)
"""What a slide scanner can have written; a 72-dpi print resolution reads as 352.9 µm."""
_LEAST_CHUNK_PX = 1024
_numbers = itertools.count()


@dataclass(frozen=True, kw_only=True)
class Level:
    """One resolution of a slide.

    Attributes
    ----------
    height, width : int
        In pixels.
    tile : (int, int)
        Height and width of the file's own tiles.
    read : callable
        The (h, w, 3) uint8 pixels of a window; may raise anything that a decoder raises.
    file : OpenFile or None
        What ``read`` reads from.
    """

    height: int
    width: int
    tile: tuple[int, int]
    read: Callable[[Window], Pixels]
    file: OpenFile | None = None


@dataclass(frozen=True, kw_only=True)
class Slide:
    """A slide that is open.

    Attributes
    ----------
    path : Path
        Of the file or folder.
    format : str
        For the user: "Aperio SVS", "OME-Zarr 0.4" ...
    levels : tuple of (H, W, 3) uint8 dask arrays
        The finest first. Label and macro image are not among them: they can name the patient.
    pixel_size : PixelSize or None
        Of the finest level; None where the file does not say, or says what no scanner does.
    notes : tuple of str
        Sentences worth telling the user.
    """

    path: Path
    format: str
    levels: tuple[da.Array, ...]
    pixel_size: PixelSize | None
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """File name without its ending (all of ``.ome.tif``)."""
        stem = self.path.name
        for ending in (".ome.zarr", ".ome.tiff", ".ome.tif"):
            if stem.lower().endswith(ending):
                return stem[: -len(ending)]
        return self.path.stem

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the finest level."""
        return int(self.levels[0].shape[0]), int(self.levels[0].shape[1])

    @property
    def downsamples(self) -> tuple[float, ...]:
        """Pixels of the finest level to a pixel of each level."""
        area = self.shape[0] * self.shape[1]
        return tuple(math.sqrt(area / (level.shape[0] * level.shape[1])) for level in self.levels)

    @cached_property
    def key(self) -> str:
        """Its one identity, of content, never of path: see ``annotation.frame.image_key``.

        Raises
        ------
        ImageError
            If the coarsest level cannot be read.
        """
        coarsest = self.levels[-1]
        return image_key(_Sliced(coarsest), (*self.shape, 3))

    def read(self, window: Window, level: int = 0) -> Pixels:
        """The (h, w, 3) uint8 pixels of a window of one level.

        Raises
        ------
        ImageError
            If that part of the file is damaged, or the file is gone.
        """
        return _computed(self.levels[level][window.slices])


@dataclass(frozen=True)
class _Sliced:
    """A dask array that gives numpy arrays when sliced, as ``image_key`` expects."""

    array: da.Array

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(int(side) for side in self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    def __getitem__(self, index: Any) -> Pixels:
        return _computed(self.array[index])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return _computed(self.array).astype(dtype or self.dtype, copy=False)


def _computed(array: da.Array) -> Pixels:
    # Not on a cluster that happens to be connected: the file may lie on this computer alone.
    return np.asarray(array.compute(scheduler="synchronous"))


class OpenFile:
    """Closes a file when the last level that reads from it is forgotten. Every reader keeps a reference to it."""

    def __init__(self, close: Callable[[], object]) -> None:
        weakref.finalize(self, close)


class _Guarded:
    """A level as dask slices it; whatever its decoder raises becomes one sentence with the file's name."""

    ndim = 3
    dtype = np.dtype(np.uint8)

    def __init__(self, path: Path, level: Level) -> None:
        self._path, self._level = path, level
        self.shape = (level.height, level.width, 3)

    def __getitem__(self, index: tuple[slice, ...]) -> Pixels:
        (top, bottom, _), (left, right, _) = (
            side.indices(length) for side, length in zip(index, self.shape[:2], strict=False)
        )
        window = Window(top, left, bottom, right)
        try:
            pixels = np.asarray(self._level.read(window))
        except DECODE_ERRORS as error:
            raise ImageError(
                f"{self._path.name} cannot be read at row {window.y0}, column {window.x0} ({reason_of(error)}); "
                "the file is damaged, cut short or out of reach. Copy it again."
            ) from error
        if pixels.shape != (*window.shape, 3):
            raise ImageError(f"{self._path.name} is cut short: pixels are missing at row {window.y0}.")
        return np.ascontiguousarray(pixels, np.uint8)


def lazy(path: Path, level: Level) -> da.Array:
    """The level as a dask array of chunks of about 1024 × 1024 px, whole tiles each; a strip has the level's width."""
    width = _whole_tiles(_LEAST_CHUNK_PX, level.tile[1], level.width)
    chunks = (_whole_tiles(_LEAST_CHUNK_PX**2 // width, level.tile[0], level.height), width)
    name = f"slide-{next(_numbers)}-{path.name}"
    empty = np.empty((0, 0, 0), np.uint8)
    return da.from_array(_Guarded(path, level), chunks=(*chunks, 3), name=name, asarray=False, meta=empty)


def _whole_tiles(least: int, tile: int, side: int) -> int:
    return min(side, max(1, -(-least // tile)) * tile)


def believed(height_um: float | None, width_um: float | None) -> PixelSize | None:
    """The pixel size that a file states, if a scanner can have written it."""
    low, high = BELIEVED_UM
    if height_um is None or width_um is None:
        return None
    if not all(math.isfinite(side) and low <= side <= high for side in (height_um, width_um)):
        return None
    return PixelSize(height_um, width_um, PixelSizeSource.FILE)
