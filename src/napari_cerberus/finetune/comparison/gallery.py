"""Tiles before and after, worst first: what was drawn in black, what was found in each task's colour."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor
from scipy import ndimage

from ...progress import Job, Progress
from ...tasks import TASK_COLOURS
from ...training.data.tile_sources import LoadedTile
from ...training.evaluation.scoring import TaskScore, TileScore
from .comparison_record import Pair
from .paired_rows import PairedScores, primary_metric

WORST, BEST = 8, 4
"""Tiles that are shown: the worst, then the best."""
Array = TypeVar("Array", bound=np.generic)
_MIN_WIDTH_PX = 480
_DRAWN = (20, 20, 20)
_OTHER_COLOUR = "#ffffff"

Loader = Callable[[str], tuple[LoadedTile, Mapping[str, NDArray[np.int32]], Mapping[str, NDArray[np.int32]]]]
"""From a tile's id to the tile, what the base found and what the candidate found."""


def tile_difference(pair: PairedScores) -> float | None:
    """Mean over the tile's tasks of the difference in the primary figure; None where they have no task in common.

    A task of which nothing is drawn and nothing found is right, so it counts as 1.
    """
    shared = [key for key in pair.base.tasks if key in pair.candidate.tasks]
    values = [_figure(pair.candidate.tasks[key], key) - _figure(pair.base.tasks[key], key) for key in shared]
    if pair.base.tissue and len(pair.base.tissue) == len(pair.candidate.tissue):
        values.append(_share(pair.candidate) - _share(pair.base))
    return mean(values) if values else None


def chosen_tiles(pairs: Sequence[PairedScores]) -> list[tuple[str, float]]:
    """Ids and differences of the tiles that are shown, worst first."""
    graded = [(pair.candidate.id, value) for pair in pairs if (value := tile_difference(pair)) is not None]
    ranked = sorted(graded, key=lambda one: (one[1], one[0]))
    return ranked if len(ranked) <= WORST + BEST else [*ranked[:WORST], *ranked[-BEST:]]


def draw_gallery(chosen: Sequence[tuple[str, float]], load: Loader, folder: Path) -> Job[tuple[Pair, ...]]:
    """Write two PNG files for each tile into ``folder``.

    Yields
    ------
    Progress
        At every tile.
    """
    gallery = []
    for place, (tile_id, difference) in enumerate(chosen):
        yield Progress("Drawing before and after", place, len(chosen))
        tile, before, after = load(tile_id)
        paths = [folder / f"{place + 1:02d}_{side}.png" for side in ("before", "after")]
        for path, found in zip(paths, (before, after), strict=True):
            Image.fromarray(draw(tile.image, tile.labels, found)).save(path)
        gallery.append(Pair(tile=tile_id, before=paths[0], after=paths[1], difference=round(difference, 6)))
    return tuple(gallery)


def draw(
    image: NDArray[np.uint8], truth: Mapping[str, NDArray[np.int32]], found: Mapping[str, NDArray[np.int32]]
) -> NDArray[np.uint8]:
    """The picture with outlines; small ones are enlarged to at least 480 px, pixel by pixel.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
    truth, found : mappings of task key to (H, W) integer array
        Only tasks that were drawn are shown.
    """
    factor = max(1, math.ceil(_MIN_WIDTH_PX / image.shape[1]))
    canvas = _enlarged(image, factor)
    for task in truth:
        canvas[_outline(_enlarged(truth[task], factor), 3)] = _DRAWN
    for task in truth:
        if task in found:
            colour = ImageColor.getrgb(TASK_COLOURS.get(task, _OTHER_COLOUR))
            canvas[_outline(_enlarged(found[task], factor), 2)] = colour[:3]
    return canvas


def _outline(labels: NDArray[np.int32], width_px: int) -> NDArray[np.bool_]:
    """Pixels of objects that lie within ``width_px`` of another object or the background."""
    reach = 2 * width_px + 1
    lowest = ndimage.minimum_filter(labels, reach, mode="nearest")
    return np.asarray((labels > 0) & (lowest != ndimage.maximum_filter(labels, reach, mode="nearest")))


def _enlarged(pixels: NDArray[Array], factor: int) -> NDArray[Array]:
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def _figure(score: TaskScore, task: str) -> float:
    key = primary_metric(task)
    value = score.objects.metrics()[key] if key == "pq" else score.pixels.metrics()[key]
    return 1.0 if math.isnan(value) else value


def _share(score: TileScore) -> float:
    """Probability that was given to the right tissue class."""
    return score.tissue[score.tissue_truth]
