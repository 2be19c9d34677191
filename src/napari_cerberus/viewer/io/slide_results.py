"""Opens the annotation of a whole slide: one lazy label layer a task, of which only what is in view is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import zarr

from ...errors import DataError
from ...slides.run_folder import LABELS, RUN
from ...strict_json import read_object
from ..colours import OUTLINE_OPACITY

LayerData = tuple[Any, dict[str, Any], str]
RUN_KEY = "napari-cerberus slide run"
"""Entry of the layer's metadata: the folder of the run, and the slide's identity."""


def read_slide_result(path: str | list[str]) -> list[LayerData]:
    """Label layers of a run, finished or not, over the slide. They are for looking: a field is corrected as a region.

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
        return [_layer(folder, task, about) for task in tasks]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise DataError(f"{folder / LABELS} is damaged; annotate the slide again.") from error


def _layer(folder: Path, task: str, about: dict[str, Any]) -> LayerData:
    group = folder / LABELS / "labels" / task
    numbers = sorted((one.name for one in group.iterdir() if one.name.isdigit()), key=int)
    levels = [da.from_zarr(str(group / number)) for number in numbers]
    details = {
        "name": f"{about['slide']} {task} (slide)",
        "multiscale": len(levels) > 1,
        "scale": tuple(float(side) for side in about["pixel_yx_um"]),
        "units": ("micrometer", "micrometer"),
        "opacity": OUTLINE_OPACITY,
        "metadata": {RUN_KEY: {"folder": str(folder), "image_key": about["image_key"]}},
    }
    return levels if len(levels) > 1 else levels[0], details, "labels"
