"""Two versions of an annotation: what was added, removed and changed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import DataError
from .annotated_image import AnnotatedImage
from .label_maps import Overlaps, dice, overlaps

SAME, CHANGED, ADDED, REMOVED = "same", "changed", "added", "removed"
_COLUMNS = ("task", "index_before", "index_after", "iou", "change", "class_before", "class_after", "y_px", "x_px")
_MATCH_IOU = 0.5
"""Above this at most one object of each version matches one of the other, so ids need not agree."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """What differs between two versions.

    Attributes
    ----------
    tasks : DataFrame
        One row a task: ``task``, ``before``, ``after`` (objects), ``same``, ``changed``, ``added``, ``removed``,
        ``reclassified``, ``dice`` (of the foregrounds), ``mean_iou`` (of the matched objects; NaN without any).
    objects : DataFrame
        One row an object: ``task``, ``index_before``, ``index_after`` (0 where there is none), ``iou``, ``change``
        (same, changed, added, removed), ``class_before``, ``class_after``, ``y_px``, ``x_px`` (its centre in pixels
        of the region; where it was, if it is gone).
    """

    tasks: pd.DataFrame
    objects: pd.DataFrame


def compare(before: AnnotatedImage, after: AnnotatedImage) -> Comparison:
    """Compare two annotations of the same pixels. A task that one of them lacks counts as empty there.

    Raises
    ------
    DataError
        If they belong to different images or regions.
    """
    same_image = before.frame.image_key == after.frame.image_key
    if not same_image or before.frame.region != after.frame.region:
        raise DataError("These two annotations belong to different images or regions and cannot be compared.")
    rows, objects = [], []
    empty = np.zeros(before.frame.shape, dtype=np.int32)
    for task in dict.fromkeys([*before.labels, *after.labels]):
        old, new = before.labels.get(task, empty), after.labels.get(task, empty)
        found = _objects(overlaps(old, new)).assign(task=task)
        for side, annotation in (("before", before), ("after", after)):
            classes = _classes(annotation, task)
            found[f"class_{side}"] = [classes.get(index, "") for index in found[f"index_{side}"]]
        objects.append(found.join(_centres(found, before, after, task)))
        rows.append({"task": task, **_counts(found), "dice": dice(old, new), "mean_iou": found["iou"].mean()})
    return Comparison(tasks=pd.DataFrame(rows), objects=pd.concat(objects, ignore_index=True)[list(_COLUMNS)])


def _objects(both: Overlaps) -> pd.DataFrame:
    matched = both.iou > _MATCH_IOU
    first, second = both.pairs[matched].T
    iou = both.iou[matched]
    lost = np.delete(both.ids_a, first)
    made = np.delete(both.ids_b, second)
    zeros = [np.zeros(part.size, dtype=np.int64) for part in (lost, made)]
    changes = [np.where(iou == 1, SAME, CHANGED), np.full(lost.size, REMOVED), np.full(made.size, ADDED)]
    return pd.DataFrame(
        {
            "index_before": np.concatenate([both.ids_a[first], lost, zeros[1]]),
            "index_after": np.concatenate([both.ids_b[second], zeros[0], made]),
            "iou": np.concatenate([iou, np.full(lost.size + made.size, np.nan)]),
            "change": np.concatenate(changes),
        }
    )


def _centres(found: pd.DataFrame, before: AnnotatedImage, after: AnnotatedImage, task: str) -> pd.DataFrame:
    sides = []
    for annotation, column in ((after, "index_after"), (before, "index_before")):
        rows = annotation.objects[annotation.objects["task"] == task].set_index("index")
        sides.append(rows[["centroid_y_px", "centroid_x_px"]].reindex(found[column]).set_axis(found.index))
    return sides[0].fillna(sides[1]).rename(columns={"centroid_y_px": "y_px", "centroid_x_px": "x_px"})


def _classes(annotation: AnnotatedImage, task: str) -> dict[int, str]:
    rows = annotation.objects[annotation.objects["task"] == task]
    return dict(zip(rows["index"], rows["class"], strict=True))


def _counts(found: pd.DataFrame) -> dict[str, int]:
    changes = found["change"].value_counts()
    both = found["change"].isin([SAME, CHANGED])
    return {
        "before": int((found["index_before"] > 0).sum()),
        "after": int((found["index_after"] > 0).sum()),
        **{name: int(changes.get(name, 0)) for name in (SAME, CHANGED, ADDED, REMOVED)},
        "reclassified": int((both & (found["class_before"] != found["class_after"])).sum()),
    }
