"""Making one object of several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import EditError
from ..label_maps import Labels
from . import masks
from .changes import ChangeSet
from .window import pixels_of, window_at

BRIDGE_PX = 2
"""Background within this distance of two merged objects joins them."""


def merge_objects(labels: Labels, ids: Sequence[int], *, bridge_px: int = BRIDGE_PX) -> ChangeSet:
    """Merge objects under the first one's id; its class stays.

    The slit that a watershed leaves between two halves is closed: background pixels within ``bridge_px`` of both
    sides join the object. Over a wider gap nothing is invented: both parts keep their pixels and share one id, and
    the review lists the object as having two parts.

    Parameters
    ----------
    ids : sequence of int
        Two or more different ids; the first one stays.
    bridge_px : int
        0 adds no pixel at all.

    Raises
    ------
    EditError
        If there are fewer than two ids or one of them does not exist.
    """
    chosen = tuple(dict.fromkeys(int(i) for i in ids))
    if len(chosen) < 2:
        raise EditError("Merging needs two different objects; click or lasso another one.")
    found = [pixels_of(labels, i) for i in chosen]
    rows, cols = (np.concatenate(axis) for axis in zip(*found, strict=True))
    margin = bridge_px + 1
    window = window_at(
        labels,
        int(rows.min()) - margin,
        int(cols.min()) - margin,
        int(rows.max()) + 1 + margin,
        int(cols.max()) + 1 + margin,
    )
    near = np.zeros(window.ids.shape, dtype=np.int16)
    after = window.ids.copy()
    for object_id in chosen:
        mask = window.mask(object_id)
        near += masks.dilate(mask, bridge_px) if bridge_px > 0 else mask
        after[mask] = chosen[0]
    after[(near >= 2) & window.free] = chosen[0]
    summary = f"Merged objects {', '.join(map(str, chosen[:4]))}{'…' if len(chosen) > 4 else ''}"
    return window.change(after, summary, removed_ids=chosen[1:])
