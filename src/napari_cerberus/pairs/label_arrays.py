"""Small tools on instance label arrays that every exporter needs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import measure

Box = tuple[slice, slice]


def object_boxes(labels: NDArray[np.integer]) -> Iterator[tuple[int, Box]]:
    """Yield each object's id and bounding box, in rising order of ids.

    Parameters
    ----------
    labels : (H, W) integer array
        0 is background; ids may be sparse and large.
    """
    ids, dense = np.unique(labels, return_inverse=True)
    if not len(ids):
        return
    # find_objects reserves room for every number up to the largest, so sparse ids are numbered anew first. The
    # background, where there is any, is the smallest value and becomes 0.
    has_background = ids[0] == 0
    numbers = dense.reshape(labels.shape) + (0 if has_background else 1)
    present = ids[1:] if has_background else ids
    for id_, box in zip(present.tolist(), ndimage.find_objects(numbers), strict=True):
        yield int(id_), box


def objects_in_pieces(labels: NDArray[np.integer]) -> int:
    """Number of objects that consist of several pieces; pixels that touch at a corner are of one piece."""
    pieces = measure.label(labels, background=0, connectivity=2)
    _, firsts = np.unique(pieces, return_index=True)
    owners = labels.ravel()[firsts]
    _, counts = np.unique(owners[owners != 0], return_counts=True)
    return int((counts > 1).sum())


def object_ids(labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """Sorted ids of the objects in ``labels``, without background."""
    ids = np.unique(labels)
    return np.asarray(ids[ids != 0], dtype=np.int64)
