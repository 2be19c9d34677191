"""Nuclei have a size: where those that were found contradict the stated pixel size, the likelier one is named.

Nuclei of human tissue in H&E sections are 5 to 12 µm across, by the median of a field, whatever the organ (lymphocytes
about 7 µm, epithelium 7 to 10 µm). A pixel size that is wrong by half or double moves the median out of that range.
Loads no torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...pixel_size import RANGE_UM
from ...tasks import NUCLEI

USUAL_UM = 7.0
"""Median diameter of nuclei that a field is held against."""
RANGE_OF_MEDIANS_UM = (4.6, 11.0)
FEWEST = 30
"""With fewer nuclei nothing is said."""


@dataclass(frozen=True, kw_only=True)
class ScaleDoubt:
    """Nuclei of the wrong size.

    Attributes
    ----------
    sentence : str
        For the user.
    likelier_um : float
        Side of a pixel that would make them of the usual size: the stated one times a power of two.
    """

    sentence: str
    likelier_um: float


def check_scale(objects: pd.DataFrame, pixel_size_um: float) -> ScaleDoubt | None:
    """Hold the nuclei of an object table against the size of nuclei; None where nothing is amiss, or nothing known.

    Parameters
    ----------
    objects : pandas.DataFrame
        With columns ``task`` and ``area_um2``.
    pixel_size_um : float
        Side of a pixel as stated.
    """
    areas = objects.loc[objects["task"] == NUCLEI, "area_um2"].to_numpy(np.float64)
    if len(areas) < FEWEST:
        return None
    diameter = 2 * math.sqrt(float(np.median(areas)) / math.pi)
    low, high = RANGE_OF_MEDIANS_UM
    if not diameter or low <= diameter <= high:
        return None
    factor = 2.0 ** round(math.log2(USUAL_UM / diameter))
    likelier = pixel_size_um * factor
    if factor == 1 or not RANGE_UM[0] <= likelier <= RANGE_UM[1]:
        return None
    return ScaleDoubt(
        sentence=(
            f"The nuclei found are {diameter:.1f} µm across by the median, and nuclei are {low:g} to {high:g} µm: "
            f"the pixel size may be {likelier:.3g} µm instead of {pixel_size_um:.3g} µm."
        ),
        likelier_um=likelier,
    )
