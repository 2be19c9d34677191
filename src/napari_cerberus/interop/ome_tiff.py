"""Instance labels as (OME-)TIFF with their physical pixel size, and back."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from ..annotation.stored.label_tiff import write_label_image
from ..annotation.stored.tiff_files import open_tiff
from ..decode_errors import hollow
from ..errors import DataError
from ..files import atomic_path
from ..pairs.layout.tile_pixels import TIFF_ERRORS, unreadable
from ..pixel_size import PixelSize

_UM_PER = {2: 25_400.0, 3: 10_000.0}
_UNIT_IN_UM = {"nm": 1e-3, "µm": 1.0, "um": 1.0, "mm": 1e3, "cm": 1e4, "m": 1e6}
_OME_SUFFIXES = (".ome.tif", ".ome.tiff")


@dataclass(frozen=True, kw_only=True)
class LabelFile:
    """Content of a label TIFF.

    Attributes
    ----------
    planes : mapping of name to (H, W) int32 array
        Names of the channels, or ``labels``, ``labels 2`` ... where there are none.
    pixel_size_um : float or None
        None where the file does not say.
    """

    planes: dict[str, NDArray[np.int32]]
    pixel_size_um: float | None


def write_label_tiff(path: Path, planes: Mapping[str, NDArray[np.integer]], pixel_size: PixelSize) -> None:
    """Write label planes of one size as zlib-compressed TIFF, atomically.

    A name that ends in ``.ome.tif`` gives OME-TIFF with channel names and ``PhysicalSize``; any other a plain TIFF
    with the pixel size in its resolution tags. Ids are stored in 16 bits where they fit, else in 32.

    Raises
    ------
    DataError
        If planes differ in size, or ids are below 0 or above 2**32 - 1.
    OutputError
        If the file cannot be written.
    """
    stack = _stack(path, planes)
    is_ome = path.name.lower().endswith(_OME_SUFFIXES)
    metadata = _ome_metadata(planes, pixel_size) if is_ome else {"planes": list(planes)}
    with atomic_path(path) as temporary:
        write_label_image(temporary, stack, pixel_size, is_ome=is_ome, metadata=metadata)


def read_label_tiff(path: Path) -> LabelFile:
    """Read label planes and their pixel size, ours or another program's.

    Raises
    ------
    DataError
        If the file is missing, damaged, or holds no planes of whole numbers.
    """
    try:
        with open_tiff(path) as file:
            series = file.series[0]
            if reason := hollow(path, int(np.prod(series.shape, dtype=np.int64)) * np.dtype(series.dtype).itemsize):
                raise DataError(f"{path} is not read: {reason}.")
            stack = series.asarray()
            names = _names(file)
            pixel_size_um = _ome_pixel_size(file) or _tag_pixel_size(file)
    except TIFF_ERRORS as error:
        raise unreadable(path, error) from error
    if stack.ndim == 2:
        stack = stack[None]
    if stack.ndim != 3 or stack.dtype.kind not in "uib":
        raise DataError(f"{path} holds no label planes: it has shape {stack.shape} and type {stack.dtype}.")
    if stack.size and (int(stack.min()) < 0 or int(stack.max()) > np.iinfo(np.int32).max):
        raise DataError(f"{path} has object ids below 0 or above {np.iinfo(np.int32).max}.")
    if len(set(names)) != len(stack):
        names = ["labels", *(f"labels {number}" for number in range(2, len(stack) + 1))][: len(stack)]
    planes = {name: plane.astype(np.int32) for name, plane in zip(names, stack, strict=True)}
    return LabelFile(planes=planes, pixel_size_um=pixel_size_um)


def _ome_metadata(names: Iterable[str], pixel_size: PixelSize) -> dict[str, object]:
    return {
        "Channel": {"Name": list(names)},
        "PhysicalSizeX": pixel_size.x_um,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": pixel_size.y_um,
        "PhysicalSizeYUnit": "µm",
    }


def _stack(path: Path, planes: Mapping[str, NDArray[np.integer]]) -> NDArray[np.unsignedinteger]:
    if len({plane.shape for plane in planes.values()}) != 1:
        raise DataError(f"{path}: all label planes must have one size, and there must be at least one.")
    highest = max((int(plane.max()) for plane in planes.values() if plane.size), default=0)
    lowest = min((int(plane.min()) for plane in planes.values() if plane.size), default=0)
    if lowest < 0 or highest > np.iinfo(np.uint32).max:
        raise DataError(f"{path}: ids must lie in 0..{np.iinfo(np.uint32).max}.")
    kind = np.uint16 if highest <= np.iinfo(np.uint16).max else np.uint32
    return np.stack([plane.astype(kind) for plane in planes.values()])


def _names(file: tifffile.TiffFile) -> list[str]:
    if file.ome_metadata:
        channels = _ome_elements(file, "Channel")
        return [channel.get("Name", "") for channel in channels]
    shaped: Sequence[object] = file.shaped_metadata or ()
    names = shaped[0].get("planes") if shaped and isinstance(shaped[0], dict) else None
    return [str(name) for name in names] if isinstance(names, list) else []


def _ome_elements(file: tifffile.TiffFile, name: str) -> list[ElementTree.Element]:
    try:
        root = ElementTree.fromstring(file.ome_metadata or "<OME/>")
    except ElementTree.ParseError:
        return []
    return [element for element in root.iter() if element.tag.rpartition("}")[2] == name]


def _ome_pixel_size(file: tifffile.TiffFile) -> float | None:
    for pixels in _ome_elements(file, "Pixels"):
        try:
            size = float(pixels.get("PhysicalSizeX", "nan")) * _UNIT_IN_UM[pixels.get("PhysicalSizeXUnit", "µm")]
        except (ValueError, KeyError):
            continue
        if math.isfinite(size) and size > 0:
            return size
    return None


def _tag_pixel_size(file: tifffile.TiffFile) -> float | None:
    tags = file.pages[0].tags
    unit = tags.valueof("ResolutionUnit")
    resolution = tags.valueof("XResolution")
    if unit not in _UM_PER or not isinstance(resolution, tuple) or not resolution[0] or not resolution[1]:
        return None
    return float(_UM_PER[unit] * resolution[1] / resolution[0])
