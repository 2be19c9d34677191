"""Pixel figures against scikit-learn, hand-computed cases and their edge cases."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from napari_cerberus.errors import DataError
from napari_cerberus.training.evaluation.metrics.pixel_metrics import PixelSums, compare_pixels
from napari_cerberus.training.evaluation.metrics.tile_sums import mean_over_tiles, tile_means


@pytest.mark.parametrize("seed", range(5))
def test_figures_agree_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    truth, guess = rng.random((2, 31, 17)) < [[[0.4]], [[0.6]]]
    sums = compare_pixels(truth, guess)
    flat = truth.ravel(), guess.ravel()
    assert sums.metrics()["dice"] == pytest.approx(f1_score(*flat))
    assert sums.metrics()["jaccard"] == pytest.approx(jaccard_score(*flat))
    assert sums.metrics()["precision"] == pytest.approx(precision_score(*flat))
    assert sums.metrics()["recall"] == pytest.approx(recall_score(*flat))


def test_a_case_worked_out_by_hand():
    truth = np.array([[3, 3, 0, 0], [3, 3, 0, 0]])
    guess = np.array([[0, 1, 1, 0], [0, 1, 0, 0]])
    sums = compare_pixels(truth, guess)
    assert (sums.tp, sums.fp, sums.fn) == (2, 1, 2)
    assert sums.metrics()["dice"] == pytest.approx(4 / 7)
    assert sums.metrics()["jaccard"] == pytest.approx(2 / 5)
    assert sums.metrics()["conformity"] == pytest.approx(1 - 3 / 2)
    assert sums.conformity_state == "number"


@given(st.integers(1, 500), st.integers(0, 500), st.integers(0, 500))
def test_conformity_is_the_published_function_of_dice(tp, fp, fn):
    sums = PixelSums(tp, fp, fn)
    dice = sums.metrics()["dice"]
    assert sums.metrics()["conformity"] == pytest.approx((3 * dice - 2) / dice)


@pytest.mark.parametrize(
    ("sums", "counted", "state"),
    [
        (PixelSums(0, 0, 0), set(), "empty"),
        (PixelSums(0, 4, 0), {"dice", "jaccard", "precision"}, "failure"),
        (PixelSums(0, 0, 4), {"dice", "jaccard", "recall"}, "failure"),
        (PixelSums(0, 1, 4), {"dice", "jaccard", "precision", "recall"}, "failure"),
        (PixelSums(5, 0, 0), {"dice", "jaccard", "precision", "recall", "conformity"}, "number"),
    ],
)
def test_what_counts_where_something_is_empty(sums, counted, state):
    values = sums.metrics()
    assert {key for key, value in values.items() if not math.isnan(value)} == counted
    assert sums.conformity_state == state
    assert all(values[key] == (1.0 if state == "number" else 0.0) for key in counted)


def test_means_over_tiles_leave_out_what_does_not_count():
    rows = [tile_means(PixelSums(*each).metrics()) for each in ((1, 1, 0), (0, 0, 0), (0, 3, 2), (4, 0, 0))]
    total = {name: np.float64(sum(row[name] for row in rows)) for name in rows[0]}
    assert mean_over_tiles("dice", total) == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert mean_over_tiles("recall", total) == pytest.approx((1 + 0 + 1) / 3)
    assert mean_over_tiles("conformity", total) == pytest.approx((0 + 1) / 2)
    assert total["conformity_tiles"] == 2


def test_labels_of_another_size_are_refused_with_both_sizes():
    with pytest.raises(DataError, match=r"3 × 2 px.*4 × 2 px"):
        compare_pixels(np.zeros((2, 3)), np.zeros((2, 4)))
