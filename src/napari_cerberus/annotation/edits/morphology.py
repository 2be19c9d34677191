"""Tools that change the outline of one object and never another: fill, smooth, close, grow, shrink."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ...errors import EditError
from ..label_maps import Labels
from . import masks
from .changes import ChangeSet, difference
from .window import Mask, window_around


def fill_holes(labels: Labels, object_id: int) -> ChangeSet:
    """Fill the holes of one object; other objects that lie in them stay.

    Raises
    ------
    EditError
        If there is no such object.
    """
    window = window_around(labels, object_id)
    mask = window.mask(object_id)
    filled = mask | (masks.fill(mask) & window.free)
    return window.reshaped(
        object_id, filled, f"Filled the holes of object {object_id}", f"Object {object_id} has no holes"
    )


def smooth(labels: Labels, object_id: int, radius_px: float = 2.0) -> ChangeSet:
    """Round off the outline of one object without growing into others or losing it.

    The mask is blurred and cut at one half. Crumbs that come loose from a part are dropped; parts that were separate
    before stay. The blur is at most a third of the object's radius, so small objects keep their size.

    Parameters
    ----------
    radius_px : float
        Standard deviation of the blur.

    Raises
    ------
    EditError
        If there is no such object or the radius is not positive.
    """
    _check_radius(radius_px)
    margin = math.ceil(4 * radius_px) + 1
    window = window_around(labels, object_id, margin)
    mask = window.mask(object_id)
    sigma = min(radius_px, math.sqrt(np.count_nonzero(mask) / math.pi) / 3)
    blurred = ndimage.gaussian_filter(_continued(mask, window.ids < 0), sigma, truncate=4)
    rounded = (blurred > 0.5) & (mask | window.free)
    return window.reshaped(
        object_id,
        _main_pieces(mask, rounded),
        f"Smoothed object {object_id}",
        f"Object {object_id} is already smooth",
    )


def _continued(mask: Mask, outside: Mask) -> NDArray[np.float32]:
    """The mask as floats, continued over the image's edge, so that an object cut by it is not rounded off there."""
    if not outside.any():
        return mask.astype(np.float32)
    rows, cols = np.flatnonzero((~outside).any(axis=1)), np.flatnonzero((~outside).any(axis=0))
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1
    inner = mask[top:bottom, left:right].astype(np.float32)
    beyond = ((top, mask.shape[0] - bottom), (left, mask.shape[1] - right))
    return np.pad(inner, beyond, mode="edge")


def _main_pieces(before: Mask, after: Mask) -> Mask:
    """Of each part of ``before``, the piece of ``after`` that holds most of it; a part that would vanish stays."""
    old, count = masks.parts(before)
    pieces, piece_count = masks.parts(after)
    shared = np.bincount(
        (old.astype(np.int64) * (piece_count + 1) + pieces)[before], minlength=(count + 1) * (piece_count + 1)
    ).reshape(count + 1, piece_count + 1)[1:, 1:]
    if piece_count == 0:
        return before
    survives = shared.max(axis=1) > 0
    keep = np.zeros(piece_count + 1, dtype=bool)
    keep[shared.argmax(axis=1)[survives] + 1] = True
    lost = np.concatenate([[False], ~survives])
    result: Mask = keep[pieces] | lost[old]
    return result


def close_object(labels: Labels, object_id: int, radius_px: int = 3) -> ChangeSet:
    """Close gaps and notches of one object (closing by a disk, then filling), never into a neighbour.

    Raises
    ------
    EditError
        If there is no such object or the radius is not positive.
    """
    _check_radius(radius_px)
    window = window_around(labels, object_id, radius_px + 1)
    mask = window.mask(object_id)
    closed = mask | (masks.fill(masks.close(mask, radius_px)) & window.free)
    return window.reshaped(
        object_id,
        closed,
        f"Closed object {object_id}",
        f"Object {object_id} has no gaps of {2 * radius_px} px",
    )


def grow(labels: Labels, object_id: int, by_px: int = 1) -> ChangeSet:
    """Grow one object into the background, never into a neighbour.

    Raises
    ------
    EditError
        If there is no such object or the distance is not positive.
    """
    _check_radius(by_px)
    window = window_around(labels, object_id, by_px)
    mask = window.mask(object_id)
    for _ in range(by_px):  # step by step, so that it flows round a neighbour instead of jumping over it
        mask = mask | (masks.dilate(mask, 1) & window.free)
    return window.reshaped(
        object_id, mask, f"Grew object {object_id} by {by_px} px", f"Object {object_id} has no room to grow"
    )


def shrink(labels: Labels, object_id: int, by_px: int = 1) -> ChangeSet:
    """Shrink one object; the image's edge does not count as its outline.

    Raises
    ------
    EditError
        If there is no such object, the distance is not positive, or nothing would be left.
    """
    _check_radius(by_px)
    window = window_around(labels, object_id, by_px)
    mask = window.mask(object_id)
    left = mask
    for _ in range(by_px):
        left = mask & masks.erode(left | (window.ids < 0), 1)
    if not left.any():
        raise EditError(f"Object {object_id} would vanish; use Delete if that is what you want.")
    return window.reshaped(
        object_id,
        left,
        f"Shrank object {object_id} by {by_px} px",
        f"Object {object_id} fills the whole image",
    )


def for_each(labels: Labels, ids: Iterable[int], tool: Callable[[Labels, int], ChangeSet], done: str) -> ChangeSet:
    """Use a tool of this module on several objects, one after the other, as one change set.

    Parameters
    ----------
    tool : callable
        For example ``fill_holes`` or ``partial(smooth, radius_px=3)``. Objects it refuses are left as they are.
    done : str
        What was done, for the summary: "Smoothed".
    """
    working = labels.copy()
    count = 0
    for object_id in ids:
        try:
            change = tool(working, object_id)
        except EditError:
            continue
        working[change.indices] = change.values
        count += bool(change)
    return difference(labels, working, f"{done} {count} object{'' if count == 1 else 's'}")


def _check_radius(radius_px: float) -> None:
    if not 0 < radius_px <= 100:
        raise EditError(f"The radius must lie between 0 and 100 px, not {radius_px}.")
