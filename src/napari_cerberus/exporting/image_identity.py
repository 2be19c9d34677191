"""The image that an annotation belongs to: found on disk, read, and checked to be the one that was annotated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..annotation.frame import image_key
from ..annotation.stored.folder_schema import AnnotationFile
from ..errors import DataError
from ..inference.images.image_files import read_image
from ..inference.images.rgb import as_rgb8

_IMAGE_SUFFIXES = (".png", ".tif", ".tiff", ".webp", ".jpg", ".jpeg", ".bmp")


def is_of(key: str, pixels: NDArray[Any]) -> bool:
    """Whether ``key`` of an annotation is that of an image, as the dock or the library makes it.

    Parameters
    ----------
    key : str
        ``annotation.frame.Frame.image_key``.
    pixels : (H, W, channels) array
        As stored; napari may have shown them as 8-bit RGB.
    """
    return key == image_key(pixels) or key == image_key(as_rgb8(pixels))


def find_image(folder: Path, about: AnnotationFile, places: Sequence[Path] = ()) -> Path | None:
    """Where the image of a saved annotation lies; None where it is gone.

    In the annotation itself, where it was when it was annotated, then by its name beside the annotation and in
    ``places``.
    """
    if about.image_file:
        inner = folder / about.image_file
        return inner if inner.is_file() else None
    known = Path(about.image_path) if about.image_path else None
    if known is not None and known.is_absolute() and known.is_file():
        return known
    names = _names(about)
    tried = (folder.parent, *places)
    return next((place / name for place in tried for name in names if (place / name).is_file()), None)


def read_checked(path: Path, key: str) -> NDArray[Any]:
    """Pixels of the image that was annotated, turned as they were then: as the file says, or as they are stored.

    Raises
    ------
    ImageError
        If the file is missing or damaged.
    DataError
        If its pixels are others than those that were annotated.
    """
    upright = read_image(path).pixels
    if is_of(key, upright):
        return upright
    stored = read_image(path, upright=False).pixels  # napari shows pictures as they are stored
    if is_of(key, stored):
        return stored
    raise DataError(f"{path} has changed since it was annotated; annotate it again, or restore the file.")


def _names(about: AnnotationFile) -> list[str]:
    """What the image's file may be called: the last part of its path, whatever system wrote it; then by its stem."""
    file = about.image_path.replace("\\", "/").rpartition("/")[2]
    called = about.frame.image_name
    stems = [f"{called}{suffix}" for suffix in ("", *_IMAGE_SUFFIXES)] if called else []
    return [name for name in (file, *stems) if name.strip(".") and not {"/", "\\", "\0"} & set(name)]
