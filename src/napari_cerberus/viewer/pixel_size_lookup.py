"""How large a pixel is and how we know: from the layer, the file, the user's earlier answer, or a marked assumption."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CerberusError
from ..pixel_size import ASSUMED_UM, RANGE_UM, PixelSize, PixelSizeSource
from .placement import data_to_physical, size_of
from .preferences import Memory

PRESETS = (("40×", 0.25), ("20×", 0.5), ("10×", 1.0), ("EBHI biopsy tile", 1.3))
"""Scanner magnifications and their usual pixel size in µm."""


def find_pixel_size(
    layer: Any,
    fingerprint: str,
    memory: Memory,
    read_from_file: Callable[[Path], PixelSize | None],
    assumed_um: float = ASSUMED_UM,
) -> PixelSize:
    """The best known pixel size of an image layer.

    The user's own answer for this very image (recognised by content) wins, then the layer's scale and units, then the
    file's metadata, then the user's last answer for an image of the same size in the same folder. Else the number is
    assumed, and marked so: the layer's scale where it is not 1 and has no unit,
    otherwise ``assumed_um``.
    """
    remembered = memory.pixel_size_um(fingerprint)
    return (
        _plausible((remembered, remembered), PixelSizeSource.USER)
        or layer_pixel_size(layer)
        or _file_pixel_size(layer, read_from_file)
        or _folder_pixel_size(layer, memory)
        or _unitless_scale(layer)
        or PixelSize.square(assumed_um, PixelSizeSource.ASSUMED)
    )


def siblings_key(layer: Any) -> str:
    """What images of the same size from the same folder share; "" for an image from no file. It tells no folder."""
    path = layer.source.path
    if not path:
        return ""
    height, width = size_of(layer)
    place = f"{Path(path).absolute().parent}|{height}|{width}"
    return "folder " + hashlib.sha256(place.encode(errors="backslashreplace")).hexdigest()[:24]


def _folder_pixel_size(layer: Any, memory: Memory) -> PixelSize | None:
    remembered = memory.pixel_size_um(siblings_key(layer))
    return _plausible((remembered, remembered), PixelSizeSource.FOLDER)


def layer_pixel_size(layer: Any) -> PixelSize | None:
    """Height and width of a pixel from scale, rotation, shear, affine and units; None where these tell no length."""
    units = layer.units
    if not all(unit.is_compatible_with("micrometer") for unit in units):
        return None
    sides = _pixel_sides(layer) * [float((1 * unit).to("micrometer").magnitude) for unit in units]
    return _plausible(sides[-2:], PixelSizeSource.LAYER)


def _plausible(sides: Sequence[float | None], source: PixelSizeSource) -> PixelSize | None:
    low, high = RANGE_UM
    y_um, x_um = sides
    if y_um is None or x_um is None or not (low <= y_um <= high and low <= x_um <= high):
        return None
    return PixelSize(float(y_um), float(x_um), source)


def _pixel_sides(layer: Any) -> Any:
    """World length of one step along each data axis, ``(2,)``."""
    matrix = layer.affine.linear_matrix @ data_to_physical(layer).linear_matrix
    return np.linalg.norm(matrix, axis=0)


def _file_pixel_size(layer: Any, read_from_file: Callable[[Path], PixelSize | None]) -> PixelSize | None:
    """From the file the layer was opened from; None where there is none or it says nothing."""
    path = layer.source.path
    if not path or not Path(path).is_file():
        return None
    try:
        return read_from_file(Path(path))
    except CerberusError:
        # napari could open it, we cannot: its metadata are of no help, and the image is still fine
        return None


def _unitless_scale(layer: Any) -> PixelSize | None:
    sides = _pixel_sides(layer)
    return None if np.allclose(sides, 1.0) else _plausible(sides[-2:], PixelSizeSource.ASSUMED)
