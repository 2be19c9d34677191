"""Image files: their pixels as stored, and the pixel size they state. What a file does not say is None, not a guess."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ...annotation.stored.tiff_files import open_tiff
from ...decode_errors import DECODE_ERRORS, PICTURE_FORMATS, hollow, reason_of
from ...errors import ImageError
from ...pixel_size import PixelSize
from .stated_size import from_dots_per_inch, from_tiff, stated

MAX_PIXELS = 1_000_000_000
"""Larger pictures (whole slides, or files that pretend) are refused before they are decoded."""

_ORIENTATION = 0x0112
"""Tag of TIFF and EXIF: how the stored pixels have to be turned to stand upright."""

_PLAIN_KINDS, _PAGES = ("generic", "uniform", "shaped"), "IYXS"
"""TIFF that no scanner has made, as tifffile names it; the axes of colour pages of one size."""

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_DAMAGE = (*DECODE_ERRORS, tifffile.TiffFileError)


@dataclass(frozen=True, kw_only=True)
class StoredImage:
    """A picture from a file.

    Attributes
    ----------
    pixels : array
        Upright: (H, W, 3 or 4) for colour; other shapes are left for ``to_rgb8`` to judge.
    pixel_size : PixelSize or None
        Where the file states it.
    notes : tuple of str
        Sentences for the user: what of the file was not read, or was turned.
    """

    pixels: NDArray[Any]
    pixel_size: PixelSize | None
    notes: tuple[str, ...] = ()


def read_image(path: Path, *, upright: bool = True) -> StoredImage:
    """Read a TIFF (its first page, the largest level of a pyramid), PNG, JPEG, WebP or BMP file.

    Parameters
    ----------
    path : Path
    upright : bool
        Turn the pixels as the file says (EXIF and TIFF orientation); False: as they are stored.

    Raises
    ------
    ImageError
        Names the file: it is missing, damaged, cut short or too large.
    """
    with _named(path):
        if _is_tiff(path):
            with open_tiff(path) as file:
                code = file.pages.first.tags.valueof(_ORIENTATION, 1)
                image = StoredImage(
                    pixels=_tiff_pixels(path, file), pixel_size=_tiff_size(file), notes=_page_notes(file)
                )
        else:
            with _picture(path) as picture:
                code = picture.getexif().get(_ORIENTATION, 1)
                size = stated(*from_dots_per_inch(picture.info.get("dpi")))
                image = StoredImage(pixels=_picture_pixels(picture), pixel_size=size)
        return _turned(image, code) if upright else image


def _turned(image: StoredImage, code: Any) -> StoredImage:
    """The image upright. ``code``: 2 to 8 as TIFF defines them; 1 and anything else: nothing is to be turned."""
    if image.pixels.ndim < 2 or code not in range(2, 9):
        return image
    pixels = np.swapaxes(image.pixels, 0, 1) if code >= 5 else image.pixels
    down = -1 if code in (3, 4, 7, 8) else 1
    right = -1 if code in (2, 3, 6, 7) else 1
    note = "The file says how its picture is to be turned; it was turned, and so are all results."
    size = image.pixel_size
    if size is not None and code >= 5:
        size = PixelSize(size.x_um, size.y_um, size.source)
    turned = np.ascontiguousarray(pixels[::down, ::right])
    return replace(image, pixels=turned, pixel_size=size, notes=(*image.notes, note))


def pixel_size_of_file(path: Path) -> PixelSize | None:
    """How large a pixel is where the file states it; its pixels are not decoded.

    Raises
    ------
    ImageError
        Names the file: it is missing or damaged.
    """
    with _named(path):
        if _is_tiff(path):
            with open_tiff(path) as file:
                return _tiff_size(file)
        with _picture(path) as picture:
            return stated(*from_dots_per_inch(picture.info.get("dpi")))


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


def _page_notes(file: tifffile.TiffFile) -> tuple[str, ...]:
    """Says that there is more than was read; labels and thumbnails of slide scanners are no further pages."""
    first, number = file.series[0], len(file.pages)
    several = len(file.series) > 1 or first.axes == _PAGES
    if first.kind not in _PLAIN_KINDS or not several or number < 2:
        return ()
    return (f"The file holds {number} pages; only page 1 was read.",)


def _tiff_pixels(path: Path, file: tifffile.TiffFile) -> NDArray[Any]:
    series = file.series[0].levels[0]
    if series.axes == _PAGES:
        series = file.pages.first
    sides = [length for axis, length in zip(series.axes, series.shape, strict=True) if axis in "YX"]
    values = int(np.prod(series.shape, dtype=np.int64))
    _check_pixels(path, int(np.prod(sides, dtype=np.int64)), values, np.dtype(series.dtype).itemsize)
    pixels = np.asarray(series.asarray())
    axes = series.axes
    for axis in "SC":  # colours last, however they are stored
        if axis in axes and pixels.shape[axes.index(axis)] in (3, 4):
            pixels = np.moveaxis(pixels, axes.index(axis), -1)
            break
    return pixels


def _tiff_size(file: tifffile.TiffFile) -> PixelSize | None:
    return stated(*from_tiff(file))


@contextmanager
def _picture(path: Path) -> Iterator[Image.Image]:
    # Pillow warns from 89 million pixels on and refuses from twice as many on; between them there is nothing to say.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        picture = Image.open(path, formats=PICTURE_FORMATS)
    with picture:
        area = picture.width * picture.height
        _check_pixels(path, area, area * len(picture.getbands()), 1)
        yield picture


def _picture_pixels(picture: Image.Image) -> NDArray[Any]:
    """Colours as (H, W, 3 or 4), grey as (H, W)."""
    if picture.mode in ("P", "PA"):
        picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    elif picture.mode not in ("RGB", "RGBA", "1", "L", "LA", "La", "I", "F") and not picture.mode.startswith("I;"):
        picture = picture.convert("RGB")  # CMYK, YCbCr, LAB, HSV, RGBX
    return np.array(picture.convert("L") if picture.mode in ("LA", "La") else picture)


def _check_pixels(path: Path, area: int, values: int, bytes_each: int) -> None:
    if reason := hollow(path, values * bytes_each):
        raise ImageError(f"{path} is not read: {reason}.")
    if area > MAX_PIXELS or values > 4 * MAX_PIXELS:
        raise ImageError(f"{path} holds {area / 1e6:.0f} million pixels, too many at once; cut out a region first.")
