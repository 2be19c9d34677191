"""The job behind "Adapt to this stain", as a plain generator: read images, adapt, keep. It loads torch when it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import DataError, ImageError
from ...pixel_size import PixelSize
from ...progress import Job, Progress

if TYPE_CHECKING:
    from ...adaptation.stain import StainImage
    from ...model.checkpoint import Model
    from ...model.library.entries import ModelEntry

MOST_FILES = 64
PICTURES = frozenset({".png", ".tif", ".tiff", ".jpg", ".jpeg", ".webp", ".bmp"})


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenPicture:
    """An image that is open: pixels that can be sliced, how large they are, and what is white."""

    pixels: Any
    pixel_size: PixelSize
    name: str
    full_brightness: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class StainOrder:
    """Adapting, frozen when it was asked for.

    Attributes
    ----------
    model_name, name : str
        The model to adapt, and what the adapted one is called.
    pictures : tuple of OpenPicture
    folder : Path, optional
        Of further images.
    pixel_size : PixelSize, optional
        Of files that do not state theirs.
    """

    model_name: str
    name: str
    pictures: tuple[OpenPicture, ...] = ()
    folder: Path | None = None
    pixel_size: PixelSize | None = None


def adapt_and_keep(order: StainOrder, open_model: Callable[[str], Model]) -> Job[ModelEntry]:
    """Adapt a model to the stain of some images, and add it to the library; it is not promoted."""
    yield Progress("Loading the model")
    from ...adaptation.adapted_model import keep_model
    from ...adaptation.stain import StainImage, adapt_to_stain, stain_card

    model = open_model(order.model_name)
    images = [
        StainImage(pixels=one.pixels, pixel_size=one.pixel_size, name=one.name, full_brightness=one.full_brightness)
        for one in order.pictures
    ]
    if order.folder is not None:
        images += yield from images_of(pictures_in(order.folder), order.pixel_size)
    adapted = yield from adapt_to_stain(images, model, order.name)
    return (yield from keep_model(adapted, order.name, stain_card(adapted, model)))


def pictures_in(folder: Path) -> list[Path]:
    """Image files of a folder, at most ``MOST_FILES`` of them. Raises ``DataError``."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}.") from error
    if not paths:
        raise DataError(f"{folder} holds no image; choose a folder of PNG, TIFF, JPEG, WebP or BMP files.")
    step = -(-len(paths) // MOST_FILES)
    return paths[::step]


def images_of(paths: Sequence[Path], fallback: PixelSize | None) -> Job[list[StainImage]]:
    """Read image files. Raises ``ImageError`` where a file states no pixel size and ``fallback`` is None."""
    from ...adaptation.stain import StainImage
    from ...inference.images.image_files import read_image

    images = []
    for number, path in enumerate(paths):
        yield Progress("Reading images", number, len(paths))
        stored = read_image(path)
        size = stored.pixel_size or fallback
        if size is None:
            raise ImageError(f"{path.name} does not say how large a pixel is; set the pixel size first.")
        images.append(StainImage(pixels=stored.pixels, pixel_size=size, name=path.name))
    return images
