"""When a tissue readout is doubted, and the conformal set behind it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cerberus.inference.doubts.tissue_doubt import COVERAGE, doubt, least_share, least_share_of, likely

CLEAR = {"Polyp": 0.97, "Normal": 0.02, "Low-grade IN": 0.01}
BETWEEN = {"Polyp": 0.55, "Normal": 0.40, "Low-grade IN": 0.05}


def test_a_clear_readout_is_not_doubted() -> None:
    assert doubt(CLEAR, least=0.2) == ""
    assert doubt({}, least=0.2) == ""


def test_a_small_field_says_nothing_of_architecture_however_sure_the_network_is() -> None:
    assert doubt(CLEAR, least=0.2, tissue_um2=40.0**2).startswith("Too small to say: 0.002 mm²")


def test_what_is_far_from_everything_learned_is_said_before_any_class() -> None:
    assert "unlike anything" in doubt(CLEAR, least=0.2, is_far=True)


def test_two_classes_are_named_where_one_is_not_enough() -> None:
    assert doubt(BETWEEN, least=0.3) == "Uncertain: Polyp or Normal."
    assert doubt(BETWEEN, least=0.01) == "Uncertain: Polyp, Normal or Low-grade IN."


def test_four_possible_classes_are_counted_not_listed() -> None:
    flat = dict.fromkeys("abcd", 0.25)
    assert doubt(flat, least=0.1) == "Uncertain: 4 tissue types are possible."


def test_the_likeliest_class_is_always_in_the_set() -> None:
    assert likely(BETWEEN, least=0.9) == ("Polyp",)


@given(st.integers(20, 300), st.integers(0, 1000))
def test_sets_hold_the_true_class_as_often_as_promised(count: int, seed: int) -> None:
    shares = np.random.default_rng(seed).random(count)
    assert (shares >= least_share(list(shares))).mean() >= COVERAGE


def test_too_few_tiles_promise_nothing_and_name_every_class() -> None:
    assert least_share([0.9, 0.8]) == 0.0


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"calibration": 3},
        {"calibration": {"tissue_set": {"least_share": "x"}}},
        {"calibration": {"tissue_set": {"least_share": 7}}},
        {"calibration": {"tissue_set": {"least_share": True}}},
    ],
)
def test_a_damaged_record_is_none(record: dict) -> None:
    assert least_share_of(record) is None


def test_the_record_is_read() -> None:
    assert least_share_of({"calibration": {"tissue_set": {"least_share": 0.12}}}) == 0.12
