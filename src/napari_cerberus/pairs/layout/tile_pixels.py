"""Pixels of tiles and masks on disk: each reader returns a plain array or raises one clear ``DataError``."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from ...annotation.stored.tiff_files import open_tiff
from ...decode_errors import DECODE_ERRORS, PICTURE_FORMATS, hollow, reason_of
from ...errors import DataError

IMAGE_SUFFIXES = (".png", ".webp", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp")
"""Image files that are looked for, in order of preference where one name has several."""

MASK_THRESHOLD = 127
"""Labels of EBHI-SEG have soft grey edges: the region is where the value is above this."""

TIFF_ERRORS = (*DECODE_ERRORS, tifffile.TiffFileError)
_PICTURE_ERRORS = (*DECODE_ERRORS, Image.DecompressionBombError)
_GREY_MODES = ("1", "L", "LA", "I", "F", "I;16", "I;16B", "I;16L", "La")


class GreyImageError(DataError):
    """An image without colours stands where an H&E tile is needed."""


def pixels_sha256(image: NDArray[np.uint8]) -> str:
    """SHA-256 of an image's shape and pixels: the same whatever file format it came from."""
    digest = hashlib.sha256(str(image.shape).encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read a colour tile.

    Parameters
    ----------
    path : Path
        PNG, WebP, TIFF, JPEG or BMP. Transparent parts are laid on white; a palette becomes colours.

    Returns
    -------
    (H, W, 3) uint8 array

    Raises
    ------
    DataError
        If the file is missing or damaged; ``GreyImageError`` for a grey image.
    """
    picture = _open(path)
    if picture.mode in _GREY_MODES:
        raise GreyImageError(f"{path} is a grey image (mode {picture.mode}); an H&E tile needs colours.")
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return np.array(picture.convert("RGB"), dtype=np.uint8)


def read_grey(path: Path) -> NDArray[np.uint8]:
    """Read a mask's grey values as they are stored, before any threshold.

    Returns
    -------
    (H, W) uint8 array

    Raises
    ------
    DataError
        If the file is missing, damaged, or has more than 8 bits a pixel (see ``read_labels``).
    """
    picture = _open(path)
    if picture.mode.startswith(("I", "F")):
        raise DataError(f"{path} has more than 8 bits a pixel; a mask here holds grey values 0 to 255.")
    if picture.mode not in ("1", "L"):
        picture = picture.convert("RGB")
    return np.array(picture.convert("L"), dtype=np.uint8)


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Read a region mask: True where the grey value lies above ``MASK_THRESHOLD``.

    Returns
    -------
    (H, W) bool array

    Raises
    ------
    DataError
        As ``read_grey``.
    """
    return read_grey(path) > MASK_THRESHOLD


def read_labels(path: Path) -> NDArray[np.int32]:
    """Read instance labels: 0 is background, every object has an id of its own.

    Parameters
    ----------
    path : Path
        TIFF of any integer type, or a grey PNG of 8 or 16 bits.

    Returns
    -------
    (H, W) int32 array

    Raises
    ------
    DataError
        If the file is missing, damaged, not one plane of whole numbers, or has ids outside 0 .. 2**31 - 1.
    """
    labels = read_stack(path) if path.suffix.lower() in (".tif", ".tiff") else np.asarray(_open(path))
    if labels.ndim != 2 or labels.dtype.kind not in "uib":
        raise DataError(
            f"{path} is not a label image: it has shape {labels.shape} and type {labels.dtype}, "
            "but one plane of whole numbers is needed."
        )
    if labels.size and (int(labels.min()) < 0 or int(labels.max()) > np.iinfo(np.int32).max):
        raise DataError(f"{path} has object ids below 0 or above {np.iinfo(np.int32).max}.")
    return labels.astype(np.int32)


def read_stack(path: Path) -> NDArray[np.generic]:
    """Read a TIFF of any shape and type as it is. Raises ``DataError`` if it is missing or damaged."""
    try:
        with open_tiff(path) as file:
            series = file.series[0]
            _refuse_hollow(path, int(np.prod(series.shape, dtype=np.int64)) * np.dtype(series.dtype).itemsize)
            return np.asarray(series.asarray())
    except TIFF_ERRORS as error:
        raise unreadable(path, error) from error


def stack_shape(path: Path) -> tuple[int, ...]:
    """What ``read_stack`` will give, from the file's header. Raises ``DataError`` if it is missing or damaged."""
    try:
        with open_tiff(path) as file:
            return tuple(file.series[0].shape)
    except TIFF_ERRORS as error:
        raise unreadable(path, error) from error


def image_shape(path: Path) -> tuple[int, int]:
    """Height and width from the file's header, without decoding it. Raises ``DataError``."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=PICTURE_FORMATS) as picture:
                return picture.height, picture.width
    except _PICTURE_ERRORS as error:
        raise unreadable(path, error) from error


def _open(path: Path) -> Image.Image:
    """Decode the whole file, so that a truncated one is found here. Raises ``DataError``."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures and odd metadata; neither matters once the pixels are here.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=PICTURE_FORMATS) as picture:
                _refuse_hollow(path, picture.width * picture.height * len(picture.getbands()))
                picture.load()
                return picture
    except _PICTURE_ERRORS as error:
        raise unreadable(path, error) from error


def _refuse_hollow(path: Path, unpacked_bytes: int) -> None:
    if reason := hollow(path, unpacked_bytes):
        raise DataError(f"{path} is not read: {reason}.")


def unreadable(path: Path, error: BaseException) -> DataError:
    """The error to raise where a library could not read a file."""
    if not path.exists():
        return DataError(f"{path} does not exist.")
    return DataError(f"{path} cannot be read as an image ({reason_of(error)}); it may be damaged or cut off.")
