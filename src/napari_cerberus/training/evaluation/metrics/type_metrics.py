"""Classes of objects: what the objects that were found are called, against what was drawn.

Only drawn objects that have a class and that match a found one (IoU > 0.5, as in ``objects``) are counted, so that a
missed nucleus is a fault of its finding and not of its naming; ``objects`` has the figures of finding. This is the
convention of per-class figures on matched nuclei (Graham et al. 2019, HoVer-Net). A found object that the model gives
no class counts as a wrong answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .object_metrics import MATCH_IOU, overlaps
from .tile_sums import require_same_shape


def object_confusion(
    truth: NDArray[Any], truth_classes: NDArray[Any], predicted: NDArray[Any], answers: Sequence[int], classes: int
) -> tuple[tuple[int, ...], ...]:
    """Confusion matrix of the matched objects.

    Parameters
    ----------
    truth, predicted : (H, W) integer arrays
        Instances; 0 = background. Ids of ``predicted`` are 1..n without gaps.
    truth_classes : (H, W) integer array
        Class of each pixel, 0 where it is not known; a drawn object has the class of most of its pixels that have one.
    answers : sequence of int
        Class of each predicted object, in order of the ids; 0 for none.
    classes : int
        Number of classes, 0 included.

    Returns
    -------
    tuple of ``classes`` tuples of ``classes`` int
        Rows: truth; columns: answer. Row 0 is empty.

    Raises
    ------
    DataError
        If the sizes differ, or a label is negative.
    """
    require_same_shape(truth_classes, truth)
    pairs = overlaps(truth, predicted)
    match = pairs.iou > MATCH_IOU
    ids = np.unique(truth[truth > 0])
    inside = (truth > 0) & (truth_classes > 0)
    votes = np.zeros((len(ids), classes), np.int64)
    np.add.at(votes, (np.searchsorted(ids, truth[inside]), truth_classes[inside]), 1)
    confusion = np.zeros((classes, classes), np.int64)
    for drawn, found in zip(pairs.drawn[match], pairs.predicted[match], strict=True):
        if votes[drawn].any():
            confusion[votes[drawn].argmax(), answers[found]] += 1
    return tuple(tuple(row) for row in confusion.tolist())
