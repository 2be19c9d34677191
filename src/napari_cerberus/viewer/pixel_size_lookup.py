"""How large a pixel is and how we know: from the layer, the file, the user's earlier answer, or a marked assumption."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CerberusError, ImageError
from ..pixel_size import RANGE_UM, PixelSize, PixelSizeSource
from .placement import data_to_physical
from .preferences import Memory

DEFAULT_UM = 0.5
PRESETS = (("40×", 0.25), ("20×", 0.5), ("10×", 1.0), ("EBHI biopsy tile", 1.3))
"""Scanner magnifications and their usual pixel size in µm."""
_LARGEST_ANISOTROPY = 1.05


def find_pixel_size(
    layer: Any,
    fingerprint: str,
    memory: Memory,
    read_from_file: Callable[[Path], float | None],
    assumed_um: float = DEFAULT_UM,
) -> PixelSize:
    """The best known pixel size of an image layer.

    The user's own answer for this very image (recognised by content) wins, then the layer's scale and units, then the
    file's metadata. Else the number is assumed, and marked so: the layer's scale where it is not 1 and has no unit,
    otherwise ``assumed_um``.

    Raises
    ------
    ImageError
        If the layer's pixels are not square.
    """
    remembered = memory.pixel_size_um(fingerprint)
    candidates = (
        (remembered, PixelSizeSource.USER),
        (layer_pixel_size_um(layer), PixelSizeSource.LAYER),
        (_file_pixel_size_um(layer, read_from_file), PixelSizeSource.FILE),
        (_unitless_scale(layer), PixelSizeSource.ASSUMED),
    )
    for um, source in candidates:
        if um is not None and RANGE_UM[0] <= um <= RANGE_UM[1]:
            return PixelSize.square(um, source)
    return PixelSize.square(assumed_um, PixelSizeSource.ASSUMED)


def layer_pixel_size_um(layer: Any) -> float | None:
    """Side of a pixel in µm from scale, rotation, shear, affine and units; None where the units are not lengths.

    Raises
    ------
    ImageError
        If height and width of a pixel differ by more than 5 %.
    """
    units = layer.units
    if not all(unit.is_compatible_with("micrometer") for unit in units):
        return None
    sides = _pixel_sides(layer) * [float((1 * unit).to("micrometer").magnitude) for unit in units]
    if sides.max() > _LARGEST_ANISOTROPY * sides.min():
        height, width = sides[-2:]
        raise ImageError(
            f"“{layer.name}” has pixels of {height:.3g} × {width:.3g} µm; annotation needs square pixels. "
            "Correct the layer's scale or resample the image."
        )
    return float(np.sqrt(np.prod(sides)))


def _pixel_sides(layer: Any) -> Any:
    """World length of one step along each data axis, ``(2,)``."""
    matrix = layer.affine.linear_matrix @ data_to_physical(layer).linear_matrix
    return np.linalg.norm(matrix, axis=0)


def _file_pixel_size_um(layer: Any, read_from_file: Callable[[Path], float | None]) -> float | None:
    """From the file the layer was opened from; None where there is none or it says nothing."""
    path = layer.source.path
    if not path or not Path(path).is_file():
        return None
    try:
        return read_from_file(Path(path))
    except CerberusError:
        # napari could open it, we cannot: its metadata are of no help, and the image is still fine
        return None


def _unitless_scale(layer: Any) -> float | None:
    sides = _pixel_sides(layer)
    plain = np.allclose(sides, 1.0)
    return None if plain or sides.max() > _LARGEST_ANISOTROPY * sides.min() else float(sides.mean())
