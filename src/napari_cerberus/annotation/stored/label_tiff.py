"""Label images as TIFF: zlib, 0 = background, with the size of a pixel. The only module that writes one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from ...decode_errors import DECODE_ERRORS, hollow, reason_of
from ...errors import DataError
from ...pixel_size import PixelSize

LARGEST_ID = int(np.iinfo(np.int32).max)
_UM_PER_CM = 10_000.0


def write_labels(path: Path, labels: NDArray[np.integer[Any]], pixel_size: PixelSize) -> None:
    """Write the label map of a saved annotation, as ``uint32``.

    Parameters
    ----------
    path : Path
    labels : (H, W) integer array
        Ids 0 to 2**31 - 1.
    pixel_size : PixelSize
        Goes into the resolution tags, height and width each.

    Raises
    ------
    DataError
        If an id is negative or too large.
    OSError
        If the file cannot be written.
    """
    if labels.size and not 0 <= int(labels.min()) <= int(labels.max()) <= LARGEST_ID:
        raise DataError(f"{path.stem}: ids must lie in 0..{LARGEST_ID}; number the objects anew.")
    write_label_image(path, labels.astype(np.uint32), pixel_size)


def write_label_image(
    path: Path,
    labels: NDArray[np.unsignedinteger[Any]],
    pixel_size: PixelSize,
    *,
    is_ome: bool = False,
    metadata: Mapping[str, object] | None = None,
) -> None:
    """Write one label map or a stack of them as it is.

    Parameters
    ----------
    path : Path
    labels : (H, W) or (channels, H, W) array
        In the type in which it is stored.
    pixel_size : PixelSize
        Goes into the resolution tags, height and width each.
    is_ome : bool
        OME-TIFF; else a plain one.
    metadata : mapping
        What is said about the channels besides.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    tifffile.imwrite(
        path,
        labels,
        ome=is_ome,
        photometric="minisblack",
        compression="zlib",
        resolution=(_UM_PER_CM / pixel_size.x_um, _UM_PER_CM / pixel_size.y_um),
        resolutionunit="CENTIMETER",
        metadata={"axes": "YX" if labels.ndim == 2 else "CYX", **(metadata or {})},
    )


def read_labels(path: Path, shape: tuple[int, int]) -> NDArray[np.int32]:
    """Labels of the size that was announced; an image of another size is refused before it is unpacked.

    Raises
    ------
    DataError
        If the file is missing, damaged, of another size, or holds no ids.
    """
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            dtype = np.dtype(page.dtype)
            if page.shape != shape or dtype.kind not in "iu" or dtype.itemsize > 4:
                raise DataError(
                    f"{path} does not hold labels of {shape[0]} × {shape[1]} px, the size of the annotated image."
                )
            if reason := hollow(path, shape[0] * shape[1] * dtype.itemsize):
                raise DataError(f"{path} is not read: {reason}.")
            labels = np.asarray(page.asarray())
    except (*DECODE_ERRORS, tifffile.TiffFileError) as error:
        raise DataError(f"{path} cannot be read as a label image: {reason_of(error)}.") from error
    if int(labels.min()) < 0 or int(labels.max()) > LARGEST_ID:
        raise DataError(f"{path} holds numbers that cannot be object ids.")
    return labels.astype(np.int32)
