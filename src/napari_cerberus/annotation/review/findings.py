"""Anatomy rules: reasons to look at an object, each in words and numbers.

A finding is a hint, not a verdict: it raises an object in the review queue by its ``severity``, the share of such
objects that we expect to need a correction. Rules that need a layer which is not there stay silent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...tasks import EBHI_CLASSES, GLANDS, LUMINA, NUCLEI
from ..annotated_image import AnnotatedImage
from ..label_maps import overlaps
from ..shape import outlines, roundness

LUMEN_OUTSIDE = "lumen outside a gland"
NO_NUCLEI = "gland without nuclei"
SEVERAL_PARTS = "several parts"
HOLES = "holes"
UNUSUAL_SIZE = "unusual size"
AT_EDGE = "at the image's edge"
READOUT = "tissue readout"
DISAGREEMENT = "models disagree"
RULES = (LUMEN_OUTSIDE, NO_NUCLEI, SEVERAL_PARTS, HOLES, UNUSUAL_SIZE, AT_EDGE, READOUT, DISAGREEMENT)
SEVERITY: Mapping[str, float] = {
    LUMEN_OUTSIDE: 0.6,
    NO_NUCLEI: 0.5,
    SEVERAL_PARTS: 0.5,
    HOLES: 0.3,
    UNUSUAL_SIZE: 0.6,  # with the first starter model, on its validation tiles: 73 % wrong, other nuclei 36 %
    AT_EDGE: 0.05,
    READOUT: 0.0,
    DISAGREEMENT: 0.7,
}
NAMES: Mapping[str, str] = {NUCLEI: "Nucleus", GLANDS: "Gland", LUMINA: "Lumen"}
TISSUE = "tissue"
"""Task of a finding about the whole image; its index is 0."""

NUCLEUS_RANGES_UM2: Mapping[str, tuple[float, float]] = {
    "": (10, 350),
    "neutrophil": (10, 130),
    "epithelial": (15, 350),
    "lymphocyte": (10, 90),
    "plasma": (12, 120),
    "eosinophil": (10, 130),
    "connective": (8, 250),
}
"""Plausible areas of a sectioned nucleus, µm², on the wide side: a cap cut off a nucleus is small, and tumour nuclei
are large. A disk of 10 µm² is 3.6 µm across, one of 350 µm² 21 µm."""

GLANDULAR = frozenset({*EBHI_CLASSES, "normal epithelium", "abnormal epithelium"})
ORDERLY = frozenset({"Normal", "normal epithelium"})
GLANDLESS = frozenset({"background", "muscle", "adipose", "stroma", "debris"})


@dataclass(frozen=True, kw_only=True)
class FindingSettings:
    """Where the rules draw the line.

    Attributes
    ----------
    lumen_least_inside : float
        Share of a lumen that must lie in glands.
    gland_least_um2 : float
        Smaller glands may have been cut between their nuclei.
    size_z : float
        Distance from the median log area of the class in this image, in robust standard deviations (median absolute
        deviation × 1.48; Iglewicz and Hoaglin 1993 use 3.5).
    size_least_count : int
        Fewer nuclei of a class give no distribution to compare with.
    nucleus_ranges_um2 : mapping of class to (low, high)
        The class ``""`` serves for every class that is not named.
    readout_least : float
        Probability from which the tissue readout counts as certain.
    glands_least, glands_most : float
        Share of the image that glands cover at least where the readout names a glandular tissue, and at most where
        it names one without glands. (In EBHI-SEG 98 % of the tiles of each category have 0.35 or more.)
    roundness_least : float
        Median 4π·area/perimeter² of whole glands below which "Normal" is doubted. (In EBHI-SEG 95 % of the Normal
        tiles with several whole glands have 0.65 or more.)
    """

    lumen_least_inside: float = 0.9
    gland_least_um2: float = 500.0
    size_z: float = 3.5
    size_least_count: int = 10
    nucleus_ranges_um2: Mapping[str, tuple[float, float]] = field(default_factory=lambda: NUCLEUS_RANGES_UM2)
    readout_least: float = 0.6
    glands_least: float = 0.05
    glands_most: float = 0.3
    roundness_least: float = 0.55


Finding = tuple[str, int, str, str]
"""Task, id, rule, reason."""


def find(annotated: AnnotatedImage, settings: FindingSettings | None = None) -> pd.DataFrame:
    """All findings of an image.

    Returns
    -------
    DataFrame
        ``task``, ``index``, ``rule`` (one of ``RULES``), ``reason`` (a sentence for the user), ``severity`` 0..1.
    """
    chosen = settings or FindingSettings()
    shapes = {task: outlines(labels).set_index("index") for task, labels in annotated.labels.items()}
    found = [*_lumina_outside(annotated, chosen), *_glands_without_nuclei(annotated, chosen)]
    for task in annotated.labels:
        found += [*_parts_and_holes(task, annotated, shapes[task]), *_at_edge(task, annotated)]
    found += [*_unusual_nuclei(annotated, chosen), *_readout_at_odds(annotated, shapes, chosen)]
    return as_findings(found)


def as_findings(found: Sequence[Finding]) -> pd.DataFrame:
    """Findings as a table, one row each."""
    frame = pd.DataFrame(found, columns=["task", "index", "rule", "reason"]).astype({"index": "int64"})
    return frame.assign(severity=[SEVERITY[rule] for rule in frame["rule"]]).astype({"severity": "float64"})


def _rows(annotated: AnnotatedImage, task: str) -> pd.DataFrame:
    """Rows of one task whose objects are in its labels, by id."""
    rows = annotated.objects_of(task).set_index("index")
    return rows if task in annotated.labels else rows.iloc[:0]


def _lumina_outside(annotated: AnnotatedImage, settings: FindingSettings) -> Iterator[Finding]:
    if LUMINA not in annotated.labels or GLANDS not in annotated.labels:
        return
    shared = overlaps(annotated.labels[LUMINA], annotated.labels[GLANDS])
    inside = np.bincount(shared.pairs[:, 0], shared.shared, shared.ids_a.size) / np.maximum(shared.areas_a, 1)
    for index, share in zip(shared.ids_a.tolist(), inside.tolist(), strict=True):
        if share < settings.lumen_least_inside:
            where = "lies outside every gland" if share == 0 else f"lies only {share:.0%} inside a gland"
            yield LUMINA, index, LUMEN_OUTSIDE, f"Lumen {index} {where}."


def _glands_without_nuclei(annotated: AnnotatedImage, settings: FindingSettings) -> Iterator[Finding]:
    nuclei, glands = _rows(annotated, NUCLEI), _rows(annotated, GLANDS)
    if not len(nuclei) or not len(glands):
        return
    labels = annotated.labels[GLANDS]
    centres = np.rint(nuclei[["centroid_y_px", "centroid_x_px"]].to_numpy()).astype(np.int64)
    rows, cols = np.clip(centres, 0, np.array(labels.shape) - 1).T
    counts = pd.Series(labels[rows, cols]).value_counts().reindex(glands.index, fill_value=0)
    suspects = glands[(counts == 0) & (glands["area_um2"] >= settings.gland_least_um2)]
    typical = int(counts[counts > 0].median()) if (counts > 0).any() else 0
    for index, area in _items(suspects["area_um2"]):
        reason = f"Gland {index} ({area:,.0f} µm²) holds no nucleus; others here hold {typical} in the median."
        yield GLANDS, index, NO_NUCLEI, reason


def _parts_and_holes(task: str, annotated: AnnotatedImage, shapes: pd.DataFrame) -> Iterator[Finding]:
    name = NAMES.get(task, "Object")
    shapes = shapes[shapes.index.isin(_rows(annotated, task).index)]
    for index, parts in _items(shapes.loc[shapes["parts"] > 1, "parts"]):
        yield task, index, SEVERAL_PARTS, f"{name} {index} is in {parts} parts that do not touch."
    for index, holes in _items(shapes.loc[shapes["holes"] > 0, "holes"]):
        yield task, index, HOLES, f"{name} {index} has {holes} hole{'' if holes == 1 else 's'}."


def _at_edge(task: str, annotated: AnnotatedImage) -> Iterator[Finding]:
    rows = _rows(annotated, task)
    for index in rows.index[_touches_edge(rows, annotated.labels[task].shape)].tolist():
        reason = f"{NAMES.get(task, 'Object')} {index} touches the image's edge; a part of it may be missing."
        yield task, index, AT_EDGE, reason


def _touches_edge(rows: pd.DataFrame, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    touches = (rows["y0_px"] <= 0) | (rows["x0_px"] <= 0) | (rows["y1_px"] >= shape[0]) | (rows["x1_px"] >= shape[1])
    return touches.to_numpy(dtype=bool)


def _unusual_nuclei(annotated: AnnotatedImage, settings: FindingSettings) -> Iterator[Finding]:
    rows = _rows(annotated, NUCLEI)
    if not len(rows):
        return
    whole = ~_touches_edge(rows, annotated.labels[NUCLEI].shape)
    for name, members in rows[whole].groupby(rows.loc[whole, "class"].map(str)):
        areas = members["area_um2"]
        low, high = settings.nucleus_ranges_um2.get(name, settings.nucleus_ranges_um2[""])
        z = _robust_z(np.log(areas.to_numpy(dtype=np.float64)), settings.size_least_count)
        odd = (areas < low) | (areas > high) | (np.abs(z) > settings.size_z)
        kind = f"{name} nuclei" if name else "nuclei"
        typical = f"{areas.median():.0f} µm² in the median here"
        for index, area in _items(areas[odd]):
            expected = f"{kind} measure {typical}, {low:g} to {high:g} µm² at most"
            yield NUCLEI, index, UNUSUAL_SIZE, f"Nucleus {index} measures {area:.0f} µm²; {expected}."


def _robust_z(values: NDArray[np.float64], least_count: int) -> NDArray[np.float64]:
    """Distance from the median in robust standard deviations; zeros where there are too few values.

    The deviation is at least 0.15 (areas that differ by 15 %): in an image of equal nuclei none is odd for a pixel.
    """
    if values.size < least_count:
        return np.zeros(values.size)
    centre = np.median(values)
    return np.asarray((values - centre) / max(1.4826 * float(np.median(np.abs(values - centre))), 0.15))


def _readout_at_odds(
    annotated: AnnotatedImage, shapes: Mapping[str, pd.DataFrame], settings: FindingSettings
) -> Iterator[Finding]:
    if not annotated.tissue or GLANDS not in annotated.labels:
        return
    name, probability = max(annotated.tissue.items(), key=lambda item: item[1])
    if probability < settings.readout_least:
        return
    labels = annotated.labels[GLANDS]
    cover = np.count_nonzero(labels > 0) / max(labels.size, 1)
    says = f"The readout says {name} ({probability:.0%})"
    if name in GLANDULAR and cover < settings.glands_least:
        yield TISSUE, 0, READOUT, f"{says}, but glands cover only {cover:.1%} of the image."
    if name in GLANDLESS and cover > settings.glands_most:
        yield TISSUE, 0, READOUT, f"{says}, but glands cover {cover:.0%} of the image."
    if name in ORDERLY:
        round_ = _gland_roundness(annotated, shapes[GLANDS], settings)
        if round_.size >= 3 and np.median(round_) < settings.roundness_least:
            reason = f"{says}, but the glands are irregular (median roundness {np.median(round_):.2f})."
            yield TISSUE, 0, READOUT, reason


def _gland_roundness(annotated: AnnotatedImage, shapes: pd.DataFrame, settings: FindingSettings) -> NDArray[np.float64]:
    rows = _rows(annotated, GLANDS)
    whole = rows[~_touches_edge(rows, annotated.labels[GLANDS].shape) & (rows["area_um2"] >= settings.gland_least_um2)]
    perimeters = shapes["perimeter_px"].reindex(whole.index).dropna()
    areas_px = whole.loc[perimeters.index, "area_um2"] / annotated.pixel_size_um**2
    return roundness(areas_px.to_numpy(), perimeters.to_numpy())


def _items(values: pd.Series[Any]) -> Iterator[tuple[int, Any]]:
    return zip(values.index.tolist(), values.tolist(), strict=True)
