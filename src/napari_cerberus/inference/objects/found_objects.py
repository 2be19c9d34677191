"""The object table: where each object is, how large, of what class, and how sure the network is.

Confidence, 0..1, is the *margin* inside the object times one minus half of the *blur* of its outline:

- margin: mean over the object's pixels of |2·p - 1|, where p is the probability of being part of an object
  (inner + contour): 1 where the network is certain, 0 where it tosses a coin;
- blur: mean over the object's outermost pixels of the entropy of (background, inner, contour), divided by log 3.

So an object in doubt as a whole scores low, and a certain object with a vague outline loses up to a half. With flips
(``flips.py``) it is multiplied by agreement: how well the object is found again in the mirrored image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from ...annotation.object_columns import MODEL_COLUMNS, empty_table
from ...pixel_size import PixelSize
from .structuring import Labels

_BAND_PIXELS = 1 << 22

Columns = dict[str, NDArray[np.generic] | Sequence[str]]


def object_table(
    task: str,
    labels: Labels,
    pixel_size_um: float | PixelSize,
    *,
    confidence: NDArray[np.float64],
    classes: tuple[Sequence[str], NDArray[np.float64]] | None = None,
) -> pd.DataFrame:
    """One row for each object of a task.

    Parameters
    ----------
    labels : (H, W) int32 array
        On the image grid, ids 1..n without gaps.
    confidence : (n,) float64 array
        From ``object_confidence``.
    classes : (n names, (n,) float64 array), optional
        From ``object_classes``.
    """
    count = int(labels.max(initial=0))
    if count == 0:
        return empty_table(MODEL_COLUMNS)
    names, shares = classes if classes is not None else ([""] * count, np.full(count, np.nan))
    columns: Columns = {
        "task": [task] * count,
        "index": np.arange(1, count + 1),
        "class": list(names),
        "class_probability": shares,
        "confidence": confidence,
        **_geometry(labels, count, pixel_size_um),
    }
    return pd.DataFrame(columns).astype(dict(MODEL_COLUMNS))


def object_classes(
    labels: Labels, type_map: NDArray[np.uint8], class_names: Sequence[str]
) -> tuple[list[str], NDArray[np.float64]]:
    """Majority class of each object and the share of its pixels in that class.

    Parameters
    ----------
    labels : (h, w) int32 array
        On the model grid, ids 1..n without gaps.
    type_map : (h, w) uint8 array
        Class of each pixel; class 0 is background, which counts only where an object has nothing else.
    class_names : sequence of str
    """
    count, kinds = int(labels.max(initial=0)), len(class_names)
    inside = labels > 0
    keys = (labels[inside].astype(np.int64) - 1) * kinds + type_map[inside]
    votes = np.bincount(keys, minlength=count * kinds).reshape(count, kinds)
    best = 1 + votes[:, 1:].argmax(axis=1)
    best[votes[:, 1:].sum(axis=1) == 0] = 0
    shares = votes[np.arange(count), best] / np.maximum(votes.sum(axis=1), 1)
    return [class_names[index] for index in best], shares


def object_confidence(
    labels: Labels, inner: NDArray[np.floating], contour: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Confidence of each object, (n,), 0..1; see the head of this file.

    Parameters
    ----------
    labels : (h, w) int32 array
        On the model grid, ids 1..n without gaps.
    inner, contour : (h, w) float arrays
    """
    margins, blurs = margins_and_blurs(labels, inner, contour)
    return np.asarray(np.clip(margins * (1.0 - 0.5 * blurs), 0.0, 1.0))


def margins_and_blurs(
    labels: Labels, inner: NDArray[np.floating], contour: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Margin and blur of each object, both (n,), 0..1; parameters as ``object_confidence``."""
    count = int(labels.max(initial=0))
    pixels, certainty = np.zeros(count + 1), np.zeros(count + 1)
    rim_pixels, blur = np.zeros(count + 1), np.zeros(count + 1)
    for rows in _bands(labels):
        ids, first, second = labels[rows], inner[rows], contour[rows]
        inside = ids > 0
        foreground = np.clip(first[inside].astype(np.float64) + second[inside], 0.0, 1.0)
        pixels += np.bincount(ids[inside], minlength=count + 1)
        certainty += np.bincount(ids[inside], np.abs(2.0 * foreground - 1.0), count + 1)
        rim = inside & _outline(labels, rows)
        rim_pixels += np.bincount(ids[rim], minlength=count + 1)
        blur += np.bincount(ids[rim], _entropy(first[rim], second[rim]), count + 1)
    return (certainty / np.maximum(pixels, 1))[1:], (blur / np.maximum(rim_pixels, 1))[1:]


def _geometry(labels: Labels, count: int, pixel_size_um: float | PixelSize) -> Columns:
    areas, down, across = np.zeros((3, count + 1))
    for rows in _bands(labels):
        y, x = np.nonzero(labels[rows])
        ids = labels[rows][y, x]
        areas += np.bincount(ids, minlength=count + 1)
        down += np.bincount(ids, y + rows.start, count + 1)
        across += np.bincount(ids, x, count + 1)
    box = np.array([(b[0].start, b[1].start, b[0].stop, b[1].stop) for b in ndimage.find_objects(labels)])
    return {
        "area_um2": areas[1:] * (pixel_size_um.area_um2 if isinstance(pixel_size_um, PixelSize) else pixel_size_um**2),
        "centroid_y_px": down[1:] / areas[1:],
        "centroid_x_px": across[1:] / areas[1:],
        **{name: box[:, place] for place, name in enumerate(("y0_px", "x0_px", "y1_px", "x1_px"))},
    }


def _bands(labels: Labels) -> Iterator[slice]:
    """Rows in portions, so that large images need little memory beside themselves."""
    step = max(1, _BAND_PIXELS // max(labels.shape[1], 1))
    for start in range(0, len(labels), step):
        yield slice(start, min(start + step, len(labels)))


def _outline(labels: Labels, rows: slice) -> NDArray[np.bool_]:
    """Pixels of some rows with a 4-neighbour of another id; the image's border is none."""
    above, below = min(rows.start, 1), min(len(labels) - rows.stop, 1)
    near = labels[rows.start - above : rows.stop + below]
    edge = np.zeros(near.shape, bool)
    down, across = near[1:] != near[:-1], near[:, 1:] != near[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    return edge[above : len(edge) - below]


def _entropy(inner: NDArray[np.floating], contour: NDArray[np.floating]) -> NDArray[np.float64]:
    """Entropy of (background, inner, contour), 0..1."""
    first, second = inner.astype(np.float64), contour.astype(np.float64)
    shares = np.clip(np.stack([1.0 - first - second, first, second]), 1e-12, 1.0)
    return np.asarray(-(shares * np.log(shares)).sum(axis=0) / np.log(3.0))
