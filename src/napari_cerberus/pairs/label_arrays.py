"""Small tools on instance label arrays that every exporter needs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import measure

Box = tuple[slice, slice]
_DENSE_IDS = 4_000_000
"""Up to here an array with a place for every id is cheaper than sorting the pixels."""


def object_boxes(labels: NDArray[np.integer]) -> Iterator[tuple[int, Box]]:
    """Yield each object's id and bounding box, in rising order of ids.

    Parameters
    ----------
    labels : (H, W) integer array
        0 is background; ids may be sparse and large.
    """
    if not labels.size:
        return
    if int(labels.min()) >= 0 and int(labels.max()) <= _DENSE_IDS:
        boxes = ndimage.find_objects(labels.astype(np.int32, copy=False))
        yield from ((number, box) for number, box in enumerate(boxes, 1) if box is not None)
        return
    # find_objects reserves room for every number up to the largest, so sparse ids are numbered anew first, from 1
    # on where there is no background.
    ids, numbers = np.unique(labels, return_inverse=True)
    present = ids[ids != 0]
    numbers = numbers.reshape(labels.shape) + (len(present) - len(ids) + 1)
    for id_, box in zip(present.tolist(), ndimage.find_objects(numbers), strict=True):
        yield int(id_), box


def object_areas(labels: NDArray[np.integer]) -> dict[int, int]:
    """Pixels of each id in ``labels``, background included."""
    if labels.size and int(labels.min()) >= 0 and int(labels.max()) <= _DENSE_IDS:
        counts = np.bincount(labels.ravel())
        return {int(id_): int(counts[id_]) for id_ in np.flatnonzero(counts)}
    ids, counts = np.unique(labels, return_counts=True)
    return dict(zip(ids.tolist(), counts.tolist(), strict=True))


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
