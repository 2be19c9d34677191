"""The images of a folder, to be looked at one after another."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, ImageError
from ...model.checkpoint import Model
from ...pixel_size import PixelSize
from ..images.image_files import read_image
from ..images.rgb import as_rgb8
from .next_fields import FieldImage

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
MOST_PIXELS = 100_000_000
"""Larger images are slides, whose own fields are proposed when they are annotated."""


def image_paths(folder: Path) -> list[Path]:
    """Image files right in a folder, by name.

    Raises
    ------
    DataError
        If there is no such folder, it cannot be listed, or holds no image.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder.")
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()]
    except OSError as error:
        raise DataError(f"{folder} cannot be listed: {error.strerror or error}.") from error
    paths = sorted(path for path in found if not path.name.startswith("."))
    if not paths:
        raise DataError(f"{folder} holds no image; choose a folder with PNG, JPEG or TIFF files right in it.")
    return paths


def usual_size(model: Model) -> PixelSize:
    """Pixel size of the images that a model was made from."""
    usual = model.spec.provenance.get("acquisition_pixel_size_um", model.spec.pixel_size_um)
    return PixelSize.square(float(usual))


def field_images(paths: Iterable[Path], *, assumed: PixelSize, pixel_size: PixelSize | None = None) -> list[FieldImage]:
    """Images that are read when it is their turn.

    Parameters
    ----------
    paths : iterable of Path
    assumed : PixelSize
        Of files that do not say theirs.
    pixel_size : PixelSize or None
        Of all of them, whatever they say.
    """
    return [FieldImage(name=path.name, load=partial(_load, path, assumed, pixel_size)) for path in paths]


def _load(path: Path, assumed: PixelSize, pixel_size: PixelSize | None) -> tuple[NDArray[np.uint8], PixelSize]:
    stored = read_image(path)
    if stored.pixels.shape[0] * stored.pixels.shape[1] > MOST_PIXELS:
        raise ImageError(f"{path.name} is as large as a slide; annotate it as one, and its own fields are proposed.")
    return as_rgb8(stored.pixels), pixel_size or stored.pixel_size or assumed
