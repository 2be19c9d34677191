"""The image that an annotation belongs to: found on disk, read, and checked to be the one that was annotated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..annotation.frame import Region, image_key
from ..annotation.regions import common_folder
from ..annotation.stored.folder_schema import AnnotationFile
from ..errors import DataError
from ..inference.grid.model_grid import Window
from ..inference.images.image_files import read_image
from ..inference.images.rgb import as_rgb8
from ..slides import Slide, open_slide
from ..slides.slide_files.open_slide import looks_like_slide

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
    if known is not None and known.is_absolute() and _is_image(known):
        return known
    names = _names(about)
    around = common_folder(folder)
    tried = (folder.parent, *([around.parent] if around != folder else []), *places)
    return next((place / name for place in tried for name in names if _is_image(place / name)), None)


def _is_image(path: Path) -> bool:
    """A file, or a folder that is a slide."""
    return path.is_file() or (path.is_dir() and looks_like_slide(path))


def slide_of(path: Path, key: str) -> Slide | None:
    """The slide that was annotated, opened lazily; None where the file is no slide, or another one.

    Raises
    ------
    ImageError, InstallationError
        If it is damaged, or needs an extra that is not installed.
    """
    if not looks_like_slide(path):
        return None
    slide = open_slide(path)
    return slide if slide.key == key else None


def read_region(slide: Slide, region: Region, factors: tuple[float, float]) -> NDArray[Any]:
    """The (h, w, 3) uint8 pixels of a part of a slide, in pixels of the level that is ``factors`` coarser.

    Raises
    ------
    ImageError
        If that part of the file is damaged.
    DataError
        If it has no such level, or is smaller than the part.
    """
    for number, level in enumerate(slide.levels):
        rows, columns = level.shape[:2]
        if (slide.shape[0] / rows, slide.shape[1] / columns) == tuple(factors):
            if region[2] > rows or region[3] > columns:
                raise DataError(f"{slide.path} is smaller than the region that was annotated; restore the file.")
            return slide.read(Window(*region), number)
    raise DataError(f"{slide.path} has other levels than when it was annotated; annotate it again.")


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
