"""Which figures a report shows, what they are called and what they mean: one place for tables, CSV and definitions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import inf

from .metrics.bootstrap import Formula
from .metrics.class_metrics import CLASS_FORMULAS
from .metrics.object_metrics import OBJECT_FORMULAS
from .metrics.pixel_metrics import PIXEL_FORMULAS
from .metrics.tile_sums import Sums, Values, mean_over_tiles


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One figure of a report.

    Attributes
    ----------
    key : str
        In ``report.json`` and the CSV tables.
    heading : str
        Short, for a column.
    meaning : str
        One sentence for the page.
    formula : callable
        From sums to values.
    within : pair of float
        The least and the largest value that it can have.
    """

    key: str
    heading: str
    meaning: str
    formula: Formula
    within: tuple[float, float] = (0.0, 1.0)


_BELOW_ONE = (-inf, 1.0)
_ABOVE_ZERO = (0.0, inf)


def _pooled(key: str, sums: Sums) -> Values:
    return PIXEL_FORMULAS[key](sums["tp"], sums["fp"], sums["fn"])


def _tile_mean(key: str, heading: str, meaning: str, *, prefix: str = "") -> Metric:
    formula = partial(mean_over_tiles, key)
    return Metric(key=f"{prefix}{key}", heading=heading, meaning=meaning, formula=formula, within=_range(key))


def _range(key: str) -> tuple[float, float]:
    return _BELOW_ONE if key == "conformity" else (0.0, 1.0)


PIXEL_METRICS = (
    _tile_mean("dice", "Dice", "2 TP / (2 TP + FP + FN), mean over tiles"),
    _tile_mean("jaccard", "Jaccard", "TP / (TP + FP + FN), mean over tiles"),
    _tile_mean(
        "conformity",
        "Conformity",
        "1 − (FP + FN) / TP, mean over the tiles where it is a number; with TP = 0 it is a failure, which is counted",
    ),
    _tile_mean("precision", "Precision", "TP / (TP + FP), mean over the tiles where something was predicted"),
    _tile_mean("recall", "Recall", "TP / (TP + FN), mean over the tiles where something was drawn"),
    *(
        Metric(
            key=f"pooled_{key}",
            heading=f"{key.capitalize()}, pooled",
            meaning=f"{key.capitalize()} of all pixels of the group taken as one image",
            formula=partial(_pooled, key),
            within=_range(key),
        )
        for key in PIXEL_FORMULAS
    ),
)

OBJECT_METRICS = (
    Metric(
        key="f1",
        heading="F1",
        meaning="Objects that match at IoU > 0.5, all objects of the group pooled; PQ's detection quality",
        formula=OBJECT_FORMULAS["f1"],
    ),
    Metric(
        key="object_precision",
        heading="Precision",
        meaning="Share of the predicted objects that match a drawn one",
        formula=OBJECT_FORMULAS["object_precision"],
    ),
    Metric(
        key="object_recall",
        heading="Recall",
        meaning="Share of the drawn objects that match a predicted one",
        formula=OBJECT_FORMULAS["object_recall"],
    ),
    Metric(key="sq", heading="SQ", meaning="Mean IoU of the matched objects", formula=OBJECT_FORMULAS["sq"]),
    Metric(key="pq", heading="PQ", meaning="Panoptic quality: F1 × SQ, objects pooled", formula=OBJECT_FORMULAS["pq"]),
    Metric(
        key="aji",
        heading="AJI",
        meaning="Aggregated Jaccard index (Kumar et al. 2017), pixels pooled",
        formula=OBJECT_FORMULAS["aji"],
    ),
    Metric(
        key="object_dice",
        heading="Object Dice",
        meaning="Area-weighted Dice of each object with its partner, from both sides (GlaS), objects pooled",
        formula=OBJECT_FORMULAS["object_dice"],
    ),
    _tile_mean("f1", "F1, tiles", "F1 of the objects, mean over tiles", prefix="tile_"),
    _tile_mean("pq", "PQ, tiles", "Panoptic quality, mean over tiles", prefix="tile_"),
    _tile_mean("aji", "AJI, tiles", "Aggregated Jaccard index, mean over tiles", prefix="tile_"),
    _tile_mean("object_dice", "Object Dice, tiles", "Object Dice, mean over tiles", prefix="tile_"),
)

TYPE_METRICS = (
    Metric(
        key="accuracy",
        heading="Accuracy",
        meaning="Share named right of the drawn objects that have a class and were found (IoU > 0.5)",
        formula=CLASS_FORMULAS["accuracy"],
    ),
    Metric(
        key="balanced_accuracy",
        heading="Balanced accuracy",
        meaning="Mean recall over the classes that occur among these objects",
        formula=CLASS_FORMULAS["balanced_accuracy"],
    ),
)

TISSUE_METRICS = (
    Metric(
        key="accuracy", heading="Accuracy", meaning="Share of tiles named right", formula=CLASS_FORMULAS["accuracy"]
    ),
    Metric(
        key="balanced_accuracy",
        heading="Balanced accuracy",
        meaning="Mean recall over the classes that occur",
        formula=CLASS_FORMULAS["balanced_accuracy"],
    ),
    Metric(
        key="macro_f1",
        heading="Macro F1",
        meaning="Mean F1 over the classes that occur in truth or answers",
        formula=CLASS_FORMULAS["macro_f1"],
    ),
    Metric(
        key="ece",
        heading="ECE",
        meaning="Expected calibration error, 15 bins of equal width",
        formula=CLASS_FORMULAS["ece"],
    ),
    Metric(
        key="log_loss",
        heading="Log loss",
        meaning="Mean negative log-likelihood of the right class",
        formula=CLASS_FORMULAS["log_loss"],
        within=_ABOVE_ZERO,
    ),
)
