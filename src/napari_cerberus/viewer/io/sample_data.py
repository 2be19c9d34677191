"""File ▸ Open Sample: a drawn colon tile with exact labels, and a real H&E field."""

from __future__ import annotations

from typing import Any

import numpy as np
import tifffile
from PIL import Image

from ...decode_errors import PICTURE_FORMATS
from ...samples import HE_FIELD, SYNTHETIC_COLON, Sample
from ..colours import OUTLINE_OPACITY, direct_colormap, task_colour

LayerData = tuple[Any, dict[str, Any], str]


def synthetic_colon() -> list[LayerData]:
    """The drawn tile alone, 1024 × 1024 px at 0.5 µm/px."""
    return [_image(SYNTHETIC_COLON, "synthetic colon")]


def synthetic_colon_with_truth() -> list[LayerData]:
    """The drawn tile and its exact nuclei, glands and lumina."""
    image = _image(SYNTHETIC_COLON, "synthetic colon")
    placement = image[1]
    truth = [
        (
            tifffile.imread(SYNTHETIC_COLON.labels_path(task)).astype(np.int32),
            {
                "name": f"true {task}",
                "scale": placement["scale"],
                "units": placement["units"],
                "colormap": direct_colormap(task_colour(task), ()),
                "opacity": OUTLINE_OPACITY,
            },
            "labels",
        )
        for task in SYNTHETIC_COLON.truth_tasks
    ]
    return [image, *truth]


def he_field() -> list[LayerData]:
    """A real field, 1000 × 1000 px, from TIAToolbox (BSD-3-Clause); see ``SOURCE.md`` beside it."""
    return [_image(HE_FIELD, "H&E field")]


def _image(sample: Sample, name: str) -> LayerData:
    """The picture as layer data; a scale without a unit says that the pixel size is assumed (the dock marks it)."""
    with Image.open(sample.image_path, formats=PICTURE_FORMATS) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    settings: dict[str, Any] = {
        "name": name,
        "rgb": True,
        "scale": (sample.pixel_size_um, sample.pixel_size_um),
    }
    if sample.pixel_size_known:
        settings["units"] = ("micrometer", "micrometer")
    return pixels, settings, "image"
