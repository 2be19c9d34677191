"""When a tissue readout should not be relied on, said in one sentence. Loads no torch.

Three doubts, in this order: too little tissue to show architecture; unlike everything the classes were learned from;
more than one class is needed to hold the true one as often as promised (a conformal set; Sadinle et al. 2019, Least
ambiguous set-valued classifiers). The last rests on validation tiles, and is kept with the model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

COVERAGE = 0.9
"""The named classes are to hold the true one for this share of validation tiles."""
LEAST_TISSUE_UM2 = 120.0**2
"""Less tissue than this holds hardly one gland with its stroma."""
FIELD = "tissue_set"
"""Of the calibration in a model's provenance."""
_UNCERTAIN_BELOW, _UNCERTAIN_MARGIN = 0.5, 0.15
_MOST_NAMED = 3


def least_share(true_shares: Sequence[float], coverage: float = COVERAGE) -> float:
    """The share from which a class belongs to the set, so that sets hold the true class as often as ``coverage`` says.

    Parameters
    ----------
    true_shares : sequence of float
        What the readout gave the true class of each validation tile.
    coverage : float
        0..1. The guarantee is for tiles like these (exchangeable ones), on average.
    """
    ranked = sorted(true_shares)
    place = math.floor((1 - coverage) * (len(ranked) + 1)) - 1
    return float(ranked[place]) if place >= 0 else 0.0


def least_share_of(provenance: Mapping[str, Any]) -> float | None:
    """What a model's record says; None where it was not fitted, or the record is damaged."""
    calibration = provenance.get("calibration")
    found = calibration.get(FIELD) if isinstance(calibration, Mapping) else None
    share = found.get("least_share") if isinstance(found, Mapping) else None
    usable = isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1
    return float(share) if usable and isinstance(share, int | float) else None


def likely(tissue: Mapping[str, float], least: float) -> tuple[str, ...]:
    """The classes of the set, likeliest first; never empty where there is a readout."""
    ranked = sorted(tissue, key=lambda name: -tissue[name])
    return tuple(name for place, name in enumerate(ranked) if place == 0 or tissue[name] >= least)


def doubt(
    tissue: Mapping[str, float], *, least: float | None = None, tissue_um2: float = math.inf, is_far: bool = False
) -> str:
    """Why a readout should not be relied on; "" if it is clear.

    Parameters
    ----------
    tissue : mapping of class to probability
    least : float, optional
        As ``least_share``; without it, fixed margins decide.
    tissue_um2 : float
        How much tissue was looked at.
    is_far : bool
        The image is unlike everything that the classes were learned from.
    """
    if not tissue:
        return ""
    if tissue_um2 < LEAST_TISSUE_UM2:
        return (
            f"Too small to say: {tissue_um2 / 1e6:.3f} mm² of tissue, less than {LEAST_TISSUE_UM2 / 1e6:.3f} mm², "
            "shows too little of the architecture."
        )
    if is_far:
        return "This image is unlike anything the tissue types were learned from; the percentages mean little."
    if least is None:
        return _by_margin(tissue)
    names = likely(tissue, least)
    if len(names) > _MOST_NAMED:
        return f"Uncertain: {len(names)} tissue types are possible."
    return f"Uncertain: {_either(names)}." if len(names) > 1 else ""


def _either(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _by_margin(tissue: Mapping[str, float]) -> str:
    ranked = sorted(tissue.items(), key=lambda item: -item[1])
    if ranked[0][1] < _UNCERTAIN_BELOW:
        return "Uncertain: no tissue type reaches 50 %."
    if len(ranked) > 1 and ranked[0][1] - ranked[1][1] < _UNCERTAIN_MARGIN:
        return f"Uncertain: {ranked[0][0]} and {ranked[1][0]} are close."
    return ""
