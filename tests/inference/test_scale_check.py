"""Nuclei of the wrong size name the likelier pixel size."""

import math

import pandas as pd
import pytest

from napari_cerberus.inference.doubts.scale_check import FEWEST, check_scale


def table(diameter_um: float, count: int = FEWEST) -> pd.DataFrame:
    return pd.DataFrame({"task": ["nuclei"] * count, "area_um2": [math.pi * diameter_um**2 / 4] * count})


@pytest.mark.parametrize(("diameter", "stated", "likelier"), [(3.5, 0.25, 0.5), (14.0, 0.5, 0.25), (1.8, 0.25, 1.0)])
def test_nuclei_of_half_or_double_the_size_name_the_likelier_pixel(
    diameter: float, stated: float, likelier: float
) -> None:
    found = check_scale(table(diameter), stated)
    assert found is not None
    assert found.likelier_um == pytest.approx(likelier)
    assert f"{likelier:.3g} µm instead of {stated:.3g} µm" in found.sentence


@pytest.mark.parametrize("diameter", [5.0, 7.0, 10.5])
def test_nuclei_of_a_usual_size_are_left_alone(diameter: float) -> None:
    assert check_scale(table(diameter), 0.5) is None


def test_few_nuclei_say_nothing() -> None:
    assert check_scale(table(3.0, FEWEST - 1), 0.25) is None
    assert check_scale(table(3.0, 0), 0.25) is None


def test_nothing_outside_of_possible_pixel_sizes_is_proposed() -> None:
    assert check_scale(table(14.0), 0.06) is None
