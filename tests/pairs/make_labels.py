"""Label maps for round trips: random, with small objects, holes, pieces, neighbours and the border."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

label_maps = hnp.arrays(
    np.int32,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=14),
    elements=st.sampled_from([0, 0, 0, 1, 2, 7, 70_000]),
)


def table_of(labels: dict[str, np.ndarray], **columns: object) -> pd.DataFrame:
    """One row for each object."""
    rows = [
        {"task": task, "index": int(id_)} | columns
        for task, plane in labels.items()
        for id_ in np.unique(plane[plane > 0])
    ]
    return pd.DataFrame(rows)


def same_objects(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two label maps show the same objects, whatever their ids."""
    if one.shape != other.shape or not ((one > 0) == (other > 0)).all():
        return False
    both = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    return both.shape[1] == len(np.unique(one)) == len(np.unique(other)) or not one.any()
