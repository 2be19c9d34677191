"""A figure for a paper or a report: the image with outlines, legend and scale bar, as PNG or PDF.

Drawn with Pillow, which is needed anyway; no plotting library.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from ..errors import DataError, SettingsError
from ..files import atomic_path
from ..pairs.object_rows import rows_by_object, text_cell
from ..tasks import CLASS_COLOURS, TASK_COLOURS
from .geojson import OTHER_COLOUR, TASK_CLASSES, rgb

SUFFIXES = (".png", ".pdf")
_BAR_SHARE = 0.2
_INK, _PAPER = (20, 20, 20), (255, 255, 255)
_MIN_WIDTH_PX = 480
_FONTS = ("DejaVuSans.ttf", "Arial.ttf", "arial.ttf", "Helvetica.ttc", "LiberationSans-Regular.ttf")


@dataclass(frozen=True, kw_only=True)
class FigureSettings:
    """How the figure looks.

    Attributes
    ----------
    line_px : int
        Width of an outline in pixels of the figure, which is at least 480 wide.
    fill : float
        Opacity of the objects' insides, 0..1.
    dpi : int
        Dots an inch, for the size on paper.
    """

    line_px: int = 2
    fill: float = 0.0
    dpi: int = 300

    def __post_init__(self) -> None:
        if self.line_px < 1 or not 0 <= self.fill <= 1 or self.dpi < 1:
            raise SettingsError("line_px and dpi must be 1 or more, and fill must lie in 0..1.")


def write_figure(
    path: Path,
    image: NDArray[np.uint8],
    labels: Mapping[str, NDArray[np.integer]],
    objects: pd.DataFrame,
    pixel_size_um: float,
    settings: FigureSettings | None = None,
) -> None:
    """Write the overlay, atomically.

    Parameters
    ----------
    path : Path
        ``.png`` or ``.pdf``.
    image : (H, W, 3) uint8 array
    labels : mapping of task to (H, W) integer array
        Drawn in this order.
    objects : pandas.DataFrame
        Object table, for the classes; may be empty.
    pixel_size_um : float
    settings : FigureSettings, optional

    Raises
    ------
    SettingsError
        If the suffix is another one, or the pixel size is not positive.
    DataError
        If labels and image differ in size.
    OutputError
        If the file cannot be written.
    """
    chosen = settings or FigureSettings()
    if path.suffix.lower() not in SUFFIXES:
        raise SettingsError(f"A figure is written as {' or '.join(SUFFIXES)}, not as {path.suffix or 'no suffix'}.")
    if not (math.isfinite(pixel_size_um) and pixel_size_um > 0):
        raise SettingsError(f"pixel_size_um must be positive, not {pixel_size_um}.")
    picture = draw_figure(image, labels, objects, pixel_size_um, chosen)
    with atomic_path(path) as temporary:
        if path.suffix.lower() == ".pdf":
            picture.save(temporary, resolution=chosen.dpi, title=path.stem)
        else:
            picture.save(temporary, dpi=(chosen.dpi, chosen.dpi))


def draw_figure(
    image: NDArray[np.uint8],
    labels: Mapping[str, NDArray[np.integer]],
    objects: pd.DataFrame,
    pixel_size_um: float,
    settings: FigureSettings,
) -> Image.Image:
    """The figure as a Pillow image; parameters and errors as ``write_figure``."""
    factor = max(1, math.ceil(_MIN_WIDTH_PX / image.shape[1]))
    canvas = image.repeat(factor, axis=0).repeat(factor, axis=1)
    legend: dict[str, str] = {}
    rows = rows_by_object(objects) if len(objects) else {}
    for task, plane in labels.items():
        if plane.shape != image.shape[:2]:
            raise DataError(f"The labels of {task} have shape {plane.shape}, the image {image.shape[:2]}.")
        classes = {int(id_): text_cell(rows.get((task, int(id_)), {}), "class") for id_ in np.unique(plane) if id_}
        for name in dict.fromkeys(classes.values()):
            colour = CLASS_COLOURS.get(name) or TASK_COLOURS.get(task, OTHER_COLOUR)
            own_ids = [id_ for id_, own in classes.items() if own == name]
            shown: NDArray[np.int32] = np.where(np.isin(plane, own_ids), plane, 0).astype(np.int32)
            _overlay(canvas, shown.repeat(factor, axis=0).repeat(factor, axis=1), colour, settings)
            legend[name or TASK_CLASSES.get(task, task)] = colour
    return _with_legend(canvas, legend, pixel_size_um / factor)


def scale_bar_um(width_um: float) -> float:
    """A round length (1, 2 or 5 times a power of ten) of about a fifth of the width."""
    target = width_um * _BAR_SHARE
    power = 10.0 ** math.floor(math.log10(target))
    return max(step * power for step in (1, 2, 5) if step * power <= target * 1.0001)


def _overlay(canvas: NDArray[np.uint8], labels: NDArray[np.integer], colour: str, settings: FigureSettings) -> None:
    """Colour the insides and the outlines of objects; outlines lie inside, so that neighbours stay apart."""
    ink = np.array(rgb(colour), np.float64)
    inside = labels > 0
    reach = 2 * settings.line_px + 1
    lowest = ndimage.minimum_filter(labels, reach, mode="nearest")
    edge = inside & (lowest != ndimage.maximum_filter(labels, reach, mode="nearest"))
    canvas[inside] = np.round(canvas[inside] * (1 - settings.fill) + ink * settings.fill)
    canvas[edge] = ink


def _with_legend(canvas: NDArray[np.uint8], legend: Mapping[str, str], pixel_size_um: float) -> Image.Image:
    """Put a strip below the image: coloured names on the left, the scale bar on the right."""
    height, width = canvas.shape[:2]
    text_px = max(12, round(width / 45))
    font, micrometre = _font(text_px)
    line = round(text_px * 1.6)
    bar_um = scale_bar_um(width * pixel_size_um)
    bar_px = round(bar_um / pixel_size_um)
    strip = line * max(len(legend), 2) + line
    picture = Image.new("RGB", (width, height + strip), _PAPER)
    picture.paste(Image.fromarray(canvas), (0, 0))
    draw = ImageDraw.Draw(picture)
    for number, (name, colour) in enumerate(legend.items()):
        top = height + line // 2 + number * line
        draw.rectangle((text_px, top, 2 * text_px, top + text_px), fill=colour)
        draw.text((round(2.6 * text_px), top + text_px / 2), name, fill=_INK, font=font, anchor="lm")
    right, top = width - text_px, height + line // 2
    draw.rectangle((right - bar_px, top, right, top + max(3, text_px // 4)), fill=_INK)
    draw.text((right - bar_px / 2, top + line), f"{bar_um:g} {micrometre}", fill=_INK, font=font, anchor="mm")
    return picture


def _font(size_px: int) -> tuple[ImageFont.FreeTypeFont | ImageFont.ImageFont, str]:
    """A font of this system, and how it writes micrometres; Pillow's own one has no µ."""
    for name in _FONTS:
        try:
            return ImageFont.truetype(name, size_px), "µm"
        except OSError:
            continue
    return ImageFont.load_default(size_px), "um"
