"""How objects are cut out of probabilities: thresholds and sizes in µm, published ones and ours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ...errors import SettingsError
from ...tasks import GLANDS, LUMINA, NUCLEI

_FULL_LEAN_LOGITS = 1.5
"""Sensitivity ±1 moves a threshold by this much in log-odds: 0.5 becomes 0.18 or 0.82."""


@dataclass(frozen=True, kw_only=True)
class ObjectSettings:
    """How the objects of one task are cut out of its probabilities; the defaults of each task are the published ones.

    Attributes
    ----------
    threshold : float
        Nuclei: of inner + contour, or of inner + half of the contour in the midline rule; glands and lumina: of inner
        where the contour is weak.
    rule : {"published", "midline"}
        Nuclei only; see ``nuclei.py``.
    marker_threshold : float
        Nuclei only: of inner, for the seeds of the watershed; it parts neighbours, whatever the sensitivity.
    faintest_seed : float or None
        Nuclei only: the inner probability that a seed must reach. Below ``marker_threshold`` it adds faint nuclei,
        above it drops them, and neither glues nor splits the others. None, as published: ``marker_threshold``.
    contour_threshold : float
        Glands and lumina: a pixel above it is contour and parts objects.
    contour_diameter_um : float
        Width of the contour that the network was taught: what dilation gives back, or erosion takes off.
    min_area_um2 : float
        Smaller objects are dropped (before the contour is given back); objects of exactly this size stay.
    marker_min_area_um2 : float
        Nuclei only: smaller seeds are dropped.
    seed_smoothing_um : float
        Midline rule only: standard deviation of the Gaussian before peaks are sought.
    """

    threshold: float
    contour_diameter_um: float
    min_area_um2: float
    marker_threshold: float = 0.5
    faintest_seed: float | None = None
    contour_threshold: float = 0.5
    marker_min_area_um2: float = 0.0
    rule: Literal["published", "midline"] = "published"
    seed_smoothing_um: float = 1.0

    def __post_init__(self) -> None:
        for name in ("threshold", "marker_threshold", "contour_threshold"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise SettingsError(f"{name} must lie between 0 and 1, not {getattr(self, name)}.")

    def leaning(self, sensitivity: float) -> ObjectSettings:
        """Thresholds moved toward recall (+1) or precision (-1); 0 changes nothing. The contour still parts objects.

        Raises
        ------
        SettingsError
            If ``sensitivity`` is outside -1..1.
        """
        if not -1.0 <= sensitivity <= 1.0:
            raise SettingsError(f"sensitivity must lie in -1..1, not {sensitivity}.")
        return replace(
            self,
            threshold=_lean(self.threshold, sensitivity),
            faintest_seed=_lean(self.faintest_seed or self.marker_threshold, sensitivity)
            if sensitivity
            else self.faintest_seed,
        )

    def min_px(self, pixel_size_um: float) -> int:
        """Smallest object, in pixels."""
        return _pixels(self.min_area_um2, pixel_size_um)

    def marker_min_px(self, pixel_size_um: float) -> int:
        """Smallest seed, in pixels."""
        return _pixels(self.marker_min_area_um2, pixel_size_um)


PUBLISHED: Mapping[str, ObjectSettings] = {
    NUCLEI: ObjectSettings(threshold=0.5, contour_diameter_um=1.5, min_area_um2=2.0, marker_min_area_um2=1.0),
    GLANDS: ObjectSettings(threshold=0.55, contour_diameter_um=5.5, min_area_um2=250.0),
    LUMINA: ObjectSettings(threshold=0.5, contour_diameter_um=1.5, min_area_um2=37.5),
}
"""Published thresholds; areas of 8 and 4, 1000 and 150 px and widths of 3, 11 and 3 px at 0.5 µm/px."""


OURS: Mapping[str, ObjectSettings] = {
    **PUBLISHED,
    NUCLEI: ObjectSettings(
        threshold=0.35, contour_diameter_um=1.5, min_area_um2=12.0, rule="midline", seed_smoothing_um=1.5
    ),
}
"""For models of our own: nuclei by the midline rule; glands and lumina are best cut as published. Smoothing and least
area are those of ``benchmarks/nuclei_rule.py``, on validation patients."""


def settings_for(task: str, threshold: float | None = None, *, published: bool = True) -> ObjectSettings:
    """The settings of a task (those of lumina for an unknown one), with a model's own threshold if given.

    Parameters
    ----------
    task : str
    threshold : float, optional
        From the model's calibration.
    published : bool
        Cut as the reference does, rather than by our own rules.

    Raises
    ------
    SettingsError
        If the threshold does not lie between 0 and 1.
    """
    known = PUBLISHED if published else OURS
    chosen = known.get(task, known[LUMINA])
    if threshold is None:
        return chosen
    # A published nucleus needs a seed as well as a mask: a threshold that moved one alone would find no nucleus more.
    seed = threshold if task == NUCLEI and published else None
    return replace(chosen, threshold=threshold, faintest_seed=seed)


def _lean(threshold: float, sensitivity: float) -> float:
    if sensitivity == 0.0:
        return threshold
    odds = math.log(threshold / (1.0 - threshold)) - sensitivity * _FULL_LEAN_LOGITS
    return 1.0 / (1.0 + math.exp(-odds))


def _pixels(area_um2: float, pixel_size_um: float) -> int:
    # A hair less, so that 250 µm² at 0.5 µm/px stays 1000 px whatever the rounding of the division.
    return max(1, math.ceil(area_um2 / pixel_size_um**2 - 1e-6))
