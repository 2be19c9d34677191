"""All objects of a slide as GeoJSON for QuPath, block by block: memory does not grow with the slide."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import zarr

from ..errors import DataError
from ..inference.grid.model_grid import Window
from ..interop.geojson import GeoJsonSettings, feature_of, feature_stream
from ..interop.outlines import shapes_of
from ..progress import Job, Progress
from ..strict_json import read_object
from .damage import readable
from .slide_folder import LABELS, OBJECTS, RUN


def write_slide_geojson(folder: Path, path: Path) -> Job[int]:
    """Write a FeatureCollection of every object of a finished run, in pixels of the slide.

    Parameters
    ----------
    folder : Path
        From ``annotate_slide``.
    path : Path
        ``.geojson``.

    Returns
    -------
    int
        Number of features.

    Raises
    ------
    DataError
        If the run is not finished, or a file of it is missing or damaged.
    OutputError
        If the file cannot be written; one that was there is as it was.
    """
    if not (folder / OBJECTS).is_file():
        raise DataError(f"{folder} holds no finished annotation of a slide; run it to its end first.")
    about = read_object(folder / RUN)
    with readable(folder):
        settings = GeoJsonSettings(image_key=str(about["image_key"]))
        table = pq.ParquetFile(folder / OBJECTS)
        with feature_stream(path) as features:
            for number in range(table.num_row_groups):
                yield Progress("Writing outlines", number, table.num_row_groups)
                for feature in _features(folder, table.read_row_group(number).to_pandas(), settings):
                    features.add(feature)
    return features.count


def _features(folder: Path, objects: pd.DataFrame, settings: GeoJsonSettings) -> Iterator[dict[str, Any]]:
    """The objects of one block; its labels are read once."""
    for task, group in objects.groupby("task", sort=False):
        labels = zarr.open_array(folder / LABELS / "labels" / str(task) / "0", mode="r")
        window = Window(
            *(int(group[name].min()) for name in ("y0_px", "x0_px")),
            *(int(group[name].max()) for name in ("y1_px", "x1_px")),
        )
        pixels = np.asarray(labels[window.slices])
        for row in group.to_dict("records"):
            box = Window(*(int(row[name]) for name in ("y0_px", "x0_px", "y1_px", "x1_px")))
            mask = pixels[box.inside(window).slices] == row["index"]
            shapes = shapes_of(mask, y0=box.y0, x0=box.x0)
            cells = {str(name): value for name, value in row.items()}
            yield feature_of(str(task), int(row["index"]), shapes, cells, settings)
