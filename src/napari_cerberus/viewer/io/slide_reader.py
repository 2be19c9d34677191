"""Opens whole slides as one lazy multiscale image with the pixel size of the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_warning

from ...slides import Slide, open_slide
from ...slides.slide_files.open_slide import looks_like_slide

LayerData = tuple[Any, dict[str, Any], str]
SLIDE_KEY = "napari-cerberus slide"
"""Entry of the layer's metadata: the file's path and format, and the slide's identity."""


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """``read_slide`` for one slide; None for several files, ordinary pictures and folders of other things."""
    if isinstance(path, list) or not looks_like_slide(Path(path)):
        return None
    return read_slide


def read_slide(path: str | list[str]) -> list[LayerData]:
    """One image layer of a slide; its label and macro images are left out.

    Raises
    ------
    ImageError, InstallationError
        It is damaged, no RGB picture, or needs an extra that is not installed.
    """
    slide = open_slide(Path(path if isinstance(path, str) else path[0]))
    for note in slide.notes:
        show_warning(note)
    return [layer_data(slide)]


def layer_data(slide: Slide) -> LayerData:
    """The slide as napari adds it; without scale and units where the file does not say how large a pixel is."""
    about = {"path": str(slide.path), "format": slide.format, "image_key": slide.key}
    details: dict[str, Any] = {"name": slide.name, "rgb": True, "multiscale": True, "metadata": {SLIDE_KEY: about}}
    if slide.pixel_size is not None:
        details |= {"scale": slide.pixel_size.yx_um, "units": ("micrometer", "micrometer")}
    return list(slide.levels), details, "image"
