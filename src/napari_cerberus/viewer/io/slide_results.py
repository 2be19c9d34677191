"""Opens the annotation of a whole slide: a lazy label layer a task, of which only what is in view is read, and maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import zarr
from napari.utils.colormaps import DirectLabelColormap

from ...errors import DataError
from ...slides.overviews import Overviews
from ...slides.slide_folder import LABELS, RUN
from ...slides.slide_folder import TISSUE as OVERVIEWS
from ...strict_json import read_object
from ..colours import FILLED_OPACITY, class_colour, one_colour
from ..layer_provenance import RUN_KEY

LayerData = tuple[Any, dict[str, Any], str]
Colours = dict[int | None, Any]
_STEPS, _MAP_OPACITY = 10, 0.4


def read_slide_result(path: str | list[str]) -> list[LayerData]:
    """Label layers of a run, finished or not, over the slide. They are for looking: a field is corrected as a region.

    A finished run also has maps of its tissue and of its doubt, hidden at first.

    Raises
    ------
    DataError
        If a file is missing or damaged.
    """
    folder = Path(path if isinstance(path, str) else path[0])
    about = read_object(folder / RUN)
    try:
        group = zarr.open_group(folder / LABELS / "labels", mode="r")
        tasks = [str(task) for task in group.attrs["labels"]]
        return [*_maps(folder, about), *(_layer(folder, task, about) for task in tasks)]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise DataError(f"{folder / LABELS} is damaged; annotate the slide again.") from error


def _layer(folder: Path, task: str, about: dict[str, Any]) -> LayerData:
    group = folder / LABELS / "labels" / task
    numbers = sorted((one.name for one in group.iterdir() if one.name.isdigit()), key=int)
    levels = [zarr.open_array(group / number, mode="r") for number in numbers]  # dask would cost more than reading
    details = {
        "name": f"{about['slide']} {task} (slide)",
        "multiscale": len(levels) > 1,
        "cache": False,  # a run that goes on writes what napari would remember as empty
        "scale": tuple(float(side) for side in about["pixel_yx_um"]),
        "units": ("micrometer", "micrometer"),
        "opacity": FILLED_OPACITY,
        "colormap": one_colour(task),
        "metadata": _metadata(folder, about, task),
    }
    return levels if len(levels) > 1 else levels[0], details, "labels"


def _metadata(folder: Path, about: dict[str, Any], task: str = "") -> dict[str, Any]:
    return {RUN_KEY: {"folder": str(folder), "image_key": about["image_key"], "task": task}}


def _maps(folder: Path, about: dict[str, Any]) -> list[LayerData]:
    """Of tissue and of doubt, as labels: an image would be offered for annotation."""
    if not (folder / OVERVIEWS).is_file():
        return []
    maps = Overviews.read(folder)
    sides = [cell * float(um) for cell, um in zip(maps.cell_px, about["pixel_yx_um"], strict=True)]
    shared = {
        "scale": tuple(sides),
        "translate": tuple((side - float(um)) / 2 for side, um in zip(sides, about["pixel_yx_um"], strict=True)),
        "units": ("micrometer", "micrometer"),
        "opacity": _MAP_OPACITY,
        "visible": False,
        "metadata": _metadata(folder, about),
    }
    steps = np.ceil(maps.uncertainty / 255 * _STEPS).astype(np.uint8)
    shades: Colours = {step: (1.0, 1.0 - step / _STEPS, 0.0, 1.0) for step in range(1, _STEPS + 1)}
    doubts = [f"doubt up to {step / _STEPS:.0%}" for step in range(1, _STEPS + 1)]
    layers = [_map(steps, f"{about['slide']} doubt (slide)", doubts, shades, shared)]
    if len(maps.tissue):
        likeliest = np.where(maps.tissue.max(axis=0) > 0, maps.tissue.argmax(axis=0) + 1, 0).astype(np.uint8)
        colours: Colours = {number: class_colour(name) for number, name in enumerate(about["tissue_classes"], start=1)}
        layers.append(_map(likeliest, f"{about['slide']} tissue (slide)", about["tissue_classes"], colours, shared))
    return layers


def _map(cells: Any, name: str, classes: list[str], colours: Colours, shared: dict[str, Any]) -> LayerData:
    details = {
        **shared,
        "name": name,
        "features": {"index": np.arange(1, len(classes) + 1), "class": list(classes)},
        "colormap": DirectLabelColormap(color_dict={None: "transparent", 0: "transparent", **colours}),
    }
    return cells, details, "labels"
