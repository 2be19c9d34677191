"""Label maps to try things on, and the checks that every change set must pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_cerberus.annotation.edits import ChangeSet

Labels = NDArray[Any]


def random_labels(seed: int, height: int, width: int, objects: int, dtype: Any = np.int32) -> Labels:
    """Ellipses, lines and dots, overlapping and cut by the border, with sparse ids and some in several parts."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((height, width), dtype=dtype)
    rows, cols = np.mgrid[:height, :width]
    ids = rng.choice(np.arange(1, 120), size=objects, replace=False)
    for object_id in ids:
        for _ in range(1 + (rng.random() < 0.2)):
            y, x = rng.uniform(-2, height + 2), rng.uniform(-2, width + 2)
            a, b = rng.uniform(0.3, 9, size=2)
            angle = rng.uniform(0, np.pi)
            dy, dx = rows - y, cols - x
            u = dy * np.cos(angle) + dx * np.sin(angle)
            v = dx * np.cos(angle) - dy * np.sin(angle)
            labels[(u / a) ** 2 + (v / b) ** 2 <= 1] = object_id
    if objects and rng.random() < 0.5:
        labels[rng.random(labels.shape) < 0.03] = 0  # holes and ragged edges
    return labels


@st.composite
def label_maps(draw: st.DrawFn, min_objects: int = 0) -> Labels:
    """Label maps from 1×1 up, of several dtypes."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    count = draw(st.integers(min_objects, 12))
    dtype = draw(st.sampled_from([np.int32, np.uint8, np.uint16, np.int64]))
    labels = random_labels(draw(st.integers(0, 2**31)), height, width, count, dtype)
    if min_objects and not labels.any():
        labels[draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))] = 7
    return labels


def ids_of(labels: Labels) -> set[int]:
    """Ids present, without the background."""
    return set(np.unique(labels).tolist()) - {0}


def check_change(labels: Labels, change: ChangeSet, allowed: set[int]) -> Labels:
    """Check what must hold for any change set; return the labels after it.

    ``allowed`` are the existing objects that may lose or gain pixels.
    """
    rows, cols = change.indices
    assert rows.shape == cols.shape == change.values.shape == change.previous.shape
    assert change.summary
    if rows.size:
        assert rows.min() >= 0
        assert rows.max() < labels.shape[0]
        assert cols.min() >= 0
        assert cols.max() < labels.shape[1]
    assert len({*zip(rows.tolist(), cols.tolist(), strict=True)}) == rows.size
    assert np.array_equal(labels[rows, cols], change.previous)
    assert (change.values != change.previous).all()
    assert change.values.dtype == labels.dtype or not change.changed_px

    before = labels.copy()
    after = change.applied(labels)
    assert np.array_equal(before, labels), "the input must not change"
    old, new = ids_of(labels), ids_of(after)
    assert set(change.new_ids) == new - old
    assert set(change.removed_ids) == old - new
    moved = {i for i in old & new if not np.array_equal(labels == i, after == i)}
    assert set(change.changed_ids) == moved
    assert moved | (old - new) <= allowed, "other objects never change"
    inverse = change.inverse()
    assert np.array_equal(inverse.applied(after), labels)
    assert (inverse.new_ids, inverse.removed_ids) == (change.removed_ids, change.new_ids)
    return after
