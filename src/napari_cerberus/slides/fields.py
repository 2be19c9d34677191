"""Where to look on an annotated slide: its least certain fields, and the objects of a part of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from ..errors import DataError
from ..inference.grid.model_grid import Window
from ..strict_json import read_object
from .overviews import Overviews
from .slide_folder import LABELS, OBJECTS, RUN

FIELD_UM = 256.0
_LEAST_TISSUE = 0.25


@dataclass(frozen=True, kw_only=True)
class Field:
    """A square part of a slide.

    Attributes
    ----------
    window : Window
        In pixels of the slide.
    doubt : float
        Mean doubt of its tissue, 0..1; 1 is a coin's toss.
    """

    window: Window
    doubt: float


def is_run(folder: Path) -> bool:
    """Whether a folder holds the annotation of a slide, finished or not."""
    return (folder / RUN).is_file() and (folder / LABELS).is_dir()


def is_finished(folder: Path) -> bool:
    """Whether the annotation of a slide came to its end."""
    return (folder / OBJECTS).is_file()


def least_certain_fields(folder: Path, *, count: int = 50, field_um: float = FIELD_UM) -> tuple[Field, ...]:
    """The fields with tissue about which the network doubts most, the most doubtful first; they do not overlap.

    Raises
    ------
    DataError
        If the run is not finished, or a file of it is damaged.
    """
    if not is_finished(folder):
        raise DataError(f"{folder} holds no finished annotation of a slide; run it to its end first.")
    about, maps = read_object(folder / RUN), Overviews.read(folder)
    height, width = (int(side) for side in about["image_shape_px"])
    down, across = (float(side) for side in about["pixel_yx_um"])
    sides = [max(1, round(field_um / um / cell)) for um, cell in zip((down, across), maps.cell_px, strict=True)]
    edges = [np.arange(0, size, side) for size, side in zip(maps.uncertainty.shape, sides, strict=True)]
    doubt, cells = (_sums(values, edges) for values in (maps.uncertainty / 255.0, maps.uncertainty > 0))
    shares = cells / (sides[0] * sides[1])
    means = np.where(shares >= _LEAST_TISSUE, doubt / np.maximum(cells, 1), -1.0)
    best = np.argsort(-means, axis=None, kind="stable")[:count]
    fields = []
    for row, column in zip(*np.unravel_index(best, means.shape), strict=True):
        if means[row, column] < 0:
            break
        top, left = round(row * sides[0] * maps.cell_px[0]), round(column * sides[1] * maps.cell_px[1])
        bottom, right = top + round(sides[0] * maps.cell_px[0]), left + round(sides[1] * maps.cell_px[1])
        window = Window(int(top), int(left), min(int(bottom), height), min(int(right), width))
        fields.append(Field(window=window, doubt=float(means[row, column])))
    return tuple(fields)


def objects_in(folder: Path, window: Window) -> pd.DataFrame:
    """The objects of a run whose box meets a part of the slide; of the table, only what can lie there is read.

    Raises
    ------
    DataError
        If the table is missing or damaged.
    """
    meets = [
        ("y0_px", "<", window.y1),
        ("y1_px", ">", window.y0),
        ("x0_px", "<", window.x1),
        ("x1_px", ">", window.x0),
    ]
    try:
        found: pd.DataFrame = pq.read_table(folder / OBJECTS, filters=meets).to_pandas()
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / OBJECTS} is missing or damaged; run the slide again.") from error
    return found


def _sums(values: np.ndarray, edges: list[np.ndarray]) -> np.ndarray:
    return np.asarray(np.add.reduceat(np.add.reduceat(values.astype(float), edges[0], axis=0), edges[1], axis=1))
