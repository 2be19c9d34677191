"""What stands behind an object: how clear its inside and how sharp its outline is on the model's own map, and its size.

Loads no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...annotation.edits import ProbabilityMap
from ...annotation.edits.window import Window
from ...annotation.object_columns import EDITED
from ..objects.found_objects import margins_and_blurs

Plane = NDArray[np.float32]
_LEAST_COUNT = 5
"""Among fewer objects a rank says nothing."""


@dataclass(frozen=True, kw_only=True)
class ObjectReasons:
    """Facts about one object, each None where what it needs is not at hand.

    Attributes
    ----------
    margin, sharpness : float or None
        0..1; mean of |2·p - 1| inside its outline, and one minus the mean entropy along it, both on the model's own
        grid: ``margin * (1 + sharpness) / 2`` is the confidence of an object that was not changed.
    larger_than : float or None
        Share of the other objects of its kind in the image that are smaller.
    others : int
        How many those are.
    agreement : float or None
        How well it was found again in the mirrored image, 0..1: what is left of its confidence after margin and
        sharpness.
    """

    margin: float | None = None
    sharpness: float | None = None
    larger_than: float | None = None
    others: int = 0
    agreement: float | None = None


def object_reasons(
    index: int, objects: pd.DataFrame, window: Window, probability: ProbabilityMap | None, *, flips: bool
) -> ObjectReasons:
    """Facts about the object ``index``.

    Parameters
    ----------
    index : int
    objects : DataFrame
        All rows of its task in this image.
    window : Window
        The object with a pixel of its surroundings.
    probability : ProbabilityMap or None
        What the model saw; None for results that were opened from a file.
    flips : bool
        Whether the run compared with mirrored images.
    """
    is_own = objects["index"] == index
    own, others = objects[is_own].iloc[0], objects[~is_own]
    margin, sharpness = _on_map(window, index, probability) if probability is not None else (None, None)
    untouched = own["state"] != EDITED and not pd.isna(own["confidence"])
    agreement = None
    if flips and untouched and margin is not None and sharpness is not None:
        agreement = min(float(own["confidence"]) / max(margin * (0.5 + 0.5 * sharpness), 1e-6), 1.0)
    enough = len(others) >= _LEAST_COUNT
    return ObjectReasons(
        margin=margin,
        sharpness=sharpness,
        larger_than=float((others["area_um2"] < own["area_um2"]).mean()) if enough else None,
        others=len(others),
        agreement=agreement,
    )


def _on_map(window: Window, index: int, probability: ProbabilityMap) -> tuple[float, float]:
    mask, inner, contour = _cells(window, index, probability)
    if not mask.any():  # smaller than a cell of the model's grid
        mask, inner = window.mask(index).astype(np.int32), probability.on(window, 0.0)
        contour = probability.on(window, 1.0) - inner
    margins, blurs = margins_and_blurs(mask, inner, contour)
    return float(margins[0]), float(1.0 - blurs[0])


def _cells(window: Window, index: int, probability: ProbabilityMap) -> tuple[NDArray[np.int32], Plane, Plane]:
    """The object, inner and contour on the model's own grid, where its confidence was taken."""
    _, height, width = probability.probabilities.shape
    tall, wide = window.ids.shape
    rows, in_rows = _centres(window.top, tall, probability.top_px, probability.bottom_px, height)
    columns, in_columns = _centres(window.left, wide, probability.left_px, probability.right_px, width)
    inside = ((in_rows >= 0) & (in_rows < tall))[:, None] & ((in_columns >= 0) & (in_columns < wide))
    near = np.ix_(np.clip(in_rows, 0, tall - 1), np.clip(in_columns, 0, wide - 1))
    mask = (window.mask(index)[near] & inside).astype(np.int32)
    inner, contour = np.asarray(probability.probabilities[:, rows, columns], dtype=np.float32)
    return mask, inner, contour


def _centres(first: int, count: int, low: float, high: float, size: int) -> tuple[slice, NDArray[np.int64]]:
    """Cells over and beside ``count`` image pixels from ``first`` on, and the pixel of those at each one's centre."""
    side = (high - low) / size
    start = min(max(int((first - low) / side) - 1, 0), size)
    stop = min(max(int((first + count - low) / side) + 2, start), size)
    centres = low + (np.arange(start, stop) + 0.5) * side
    return slice(start, stop), np.floor(centres - first).astype(np.int64)


def reasons_sentence(reasons: ObjectReasons, kinds: str) -> str:
    """The facts in one line; ``kinds`` is what such objects are called ("glands")."""
    if reasons.margin is None or reasons.sharpness is None:
        said = ["margin and border are not kept in files: annotate again to see them"]
    else:
        said = [f"margin inside {reasons.margin:.2f} (1: certain)", f"border sharpness {reasons.sharpness:.2f}"]
    if reasons.larger_than is not None:
        said.append(f"larger than {reasons.larger_than:.0%} of the {reasons.others:,} other {kinds} here")
    if reasons.agreement is not None:
        said.append(f"found again in mirrored images: about {reasons.agreement:.0%}")
    return f"Why? {'; '.join(said)}."
