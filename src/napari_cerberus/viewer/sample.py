"""File ▸ Open Sample: a drawn colon tile with exact labels, and a real H&E field."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from ..tasks import INSTANCE_TASKS
from .colours import OUTLINE_OPACITY, direct_colormap, task_colour

HE_FIELD_UM = 0.25
"""Pixel size assumed in ``he_field/SOURCE.md`` from the size of lymphocytes; the file itself does not say."""

LayerData = tuple[Any, dict[str, Any], str]


def synthetic_colon() -> list[LayerData]:
    """The drawn tile alone, 1024 × 1024 px at 0.5 µm/px."""
    return [_synthetic_image()]


def synthetic_colon_with_truth() -> list[LayerData]:
    """The drawn tile and its exact nuclei, glands and lumina."""
    image = _synthetic_image()
    folder, (_, placement, _) = _folder("synthetic_colon"), image
    truth = [
        (
            tifffile.imread(folder / f"{task}.tif").astype(np.int32),
            {
                "name": f"true {task}",
                "scale": placement["scale"],
                "units": placement["units"],
                "colormap": direct_colormap(task_colour(task), ()),
                "opacity": OUTLINE_OPACITY,
            },
            "labels",
        )
        for task in INSTANCE_TASKS
    ]
    return [image, *truth]


def he_field() -> list[LayerData]:
    """A real field, 1000 × 1000 px, from TIAToolbox (BSD-3-Clause); see ``SOURCE.md`` beside it."""
    return [_image(_folder("he_field") / "target_image.png", "H&E field", HE_FIELD_UM)]


def _synthetic_image() -> LayerData:
    folder = _folder("synthetic_colon")
    settings = json.loads((folder / "truth.json").read_text(encoding="utf-8"))["settings"]
    return _image(folder / "image.png", "synthetic colon", float(settings["pixel_size_um"]))


def _folder(name: str) -> Path:
    return Path(str(resources.files("napari_cerberus"))) / "sample_data" / name


def _image(path: Path, name: str, pixel_size_um: float) -> LayerData:
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    settings = {
        "name": name,
        "rgb": True,
        "scale": (pixel_size_um, pixel_size_um),
        "units": ("micrometer", "micrometer"),
    }
    return pixels, settings, "image"
