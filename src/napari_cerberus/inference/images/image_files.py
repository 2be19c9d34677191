"""Image files: their pixels as stored, and the pixel size they state. What a file does not say is None, not a guess."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ...decode_errors import DECODE_ERRORS, reason_of
from ...errors import ImageError
from .stated_size import checked_side, from_dots_per_inch, from_tiff

MAX_PIXELS = 1_000_000_000
"""Larger pictures (whole slides, or files that pretend) are refused before they are decoded."""

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_DAMAGE = (*DECODE_ERRORS, tifffile.TiffFileError)


@dataclass(frozen=True, kw_only=True)
class StoredImage:
    """A picture from a file.

    Attributes
    ----------
    pixels : array
        As stored: (H, W, 3 or 4) for colour; other shapes are left for ``to_rgb8`` to judge.
    pixel_size_um : float or None
        Side of a pixel where the file states it.
    """

    pixels: NDArray[Any]
    pixel_size_um: float | None


def read_image(path: Path) -> StoredImage:
    """Read a TIFF (the largest level of a pyramid), PNG, JPEG, WebP or BMP file.

    Raises
    ------
    ImageError
        Names the file: it is missing, damaged, cut short, too large, or has pixels that are not square.
    """
    with _named(path):
        if _is_tiff(path):
            with tifffile.TiffFile(path) as file:
                return StoredImage(pixels=_tiff_pixels(path, file), pixel_size_um=_tiff_size(path, file))
        with _picture(path) as picture:
            size = checked_side(path, *from_dots_per_inch(picture.info.get("dpi")))
            return StoredImage(pixels=_picture_pixels(picture), pixel_size_um=size)


def pixel_size_of_file(path: Path) -> float | None:
    """Side of a pixel in µm where the file states it; its pixels are not decoded.

    Raises
    ------
    ImageError
        Names the file: it is missing or damaged, or has pixels that are not square.
    """
    with _named(path):
        if _is_tiff(path):
            with tifffile.TiffFile(path) as file:
                return _tiff_size(path, file)
        with _picture(path) as picture:
            return checked_side(path, *from_dots_per_inch(picture.info.get("dpi")))


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Every way a file can fail becomes one sentence with its name."""
    try:
        yield
    except FileNotFoundError as error:
        raise ImageError(f"{path} does not exist.") from error
    except (IsADirectoryError, PermissionError) as error:
        raise ImageError(f"{path} cannot be opened: {error.strerror}.") from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{path} is no image that can be read; use TIFF, PNG or JPEG.") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"{path} is too large for its format; save it as TIFF, or cut out a region.") from error
    except _DAMAGE as error:
        raise ImageError(f"{path} is damaged or cut short and cannot be read ({reason_of(error)}).") from error


def _is_tiff(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(4) in _TIFF_STARTS


def _tiff_pixels(path: Path, file: tifffile.TiffFile) -> NDArray[Any]:
    series = file.series[0].levels[0]
    sides = [length for axis, length in zip(series.axes, series.shape, strict=True) if axis in "YX"]
    _check_pixels(path, int(np.prod(sides, dtype=np.int64)), int(np.prod(series.shape, dtype=np.int64)))
    pixels = np.asarray(series.asarray())
    axes = series.axes
    for axis in "SC":  # colours last, however they are stored
        if axis in axes and pixels.shape[axes.index(axis)] in (3, 4):
            pixels = np.moveaxis(pixels, axes.index(axis), -1)
            break
    return pixels


def _tiff_size(path: Path, file: tifffile.TiffFile) -> float | None:
    return checked_side(path, *from_tiff(file))


@contextmanager
def _picture(path: Path) -> Iterator[Image.Image]:
    # Pillow warns from 89 million pixels on and refuses from twice as many on; between them there is nothing to say.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        picture = Image.open(path)
    with picture:
        yield picture


def _picture_pixels(picture: Image.Image) -> NDArray[Any]:
    """Colours as (H, W, 3 or 4), grey as (H, W)."""
    if picture.mode in ("P", "PA"):
        picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    elif picture.mode not in ("RGB", "RGBA", "1", "L", "LA", "La", "I", "F") and not picture.mode.startswith("I;"):
        picture = picture.convert("RGB")  # CMYK, YCbCr, LAB, HSV, RGBX
    return np.array(picture.convert("L") if picture.mode in ("LA", "La") else picture)


def _check_pixels(path: Path, area: int, values: int) -> None:
    if area > MAX_PIXELS or values > 4 * MAX_PIXELS:
        raise ImageError(f"{path} holds {area / 1e6:.0f} million pixels, too many at once; cut out a region first.")
