"""Intervals by patient: repeatable, by whole patients, honest about too few of them."""

import numpy as np
import pytest

from napari_cerberus.errors import SettingsError
from napari_cerberus.training.evaluation.metrics.bootstrap import PatientBootstrap
from napari_cerberus.training.evaluation.metrics.tile_sums import ratio


def mean(sums):
    return ratio(sums["x"], sums["n"])


def rows(values):
    return [{"x": float(value), "n": 1.0} for value in values]


def test_one_tile_a_patient_gives_the_interval_of_a_mean():
    values = np.random.default_rng(1).normal(10, 2, 200)
    bootstrap = PatientBootstrap(rows(values), [str(i) for i in range(200)], samples=4000)
    estimate = bootstrap.estimate(mean)
    spread = 1.96 * values.std() / np.sqrt(200)
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.low == pytest.approx(values.mean() - spread, abs=0.05)
    assert estimate.high == pytest.approx(values.mean() + spread, abs=0.05)
    assert bootstrap.note == ""


def test_tiles_of_a_patient_stay_together():
    values = np.repeat([0.0, 1.0] * 10, 50)  # 20 patients, 50 equal tiles each
    patients = np.repeat([str(i) for i in range(20)], 50)
    together = PatientBootstrap(rows(values), patients).estimate(mean)
    torn = PatientBootstrap(rows(values), [str(i) for i in range(1000)]).estimate(mean)
    assert together.high - together.low > 4 * (torn.high - torn.low)


def test_it_is_repeatable_and_the_order_of_tiles_does_not_matter():
    values, patients = np.arange(60.0), [str(i % 12) for i in range(60)]
    order = np.random.default_rng(0).permutation(60)
    first = PatientBootstrap(rows(values), patients, seed=3).estimate(mean)
    again = PatientBootstrap(rows(values[order]), [patients[i] for i in order], seed=3).estimate(mean)
    assert first == again
    assert first != PatientBootstrap(rows(values), patients, seed=4).estimate(mean)


@pytest.mark.parametrize(("patients", "words", "has_interval"), [(2, "no interval", False), (8, "rough", True)])
def test_too_few_patients_are_named(patients, words, has_interval):
    bootstrap = PatientBootstrap(rows(range(40)), [str(i % patients) for i in range(40)])
    assert words in bootstrap.note
    assert str(patients) in bootstrap.note
    assert (bootstrap.estimate(mean).low is not None) == has_interval


def test_arrays_are_added_too_and_undefined_figures_have_no_interval():
    confusion = [{"confusion": np.eye(3)[[i % 3]] * np.ones((3, 1))} for i in range(30)]
    bootstrap = PatientBootstrap(confusion, [str(i) for i in range(30)])
    assert bootstrap.sums["confusion"].shape == (3, 3)
    assert bootstrap.sums["confusion"].sum() == 90
    empty = PatientBootstrap([{"x": 1.0, "n": 0.0}] * 30, [str(i) for i in range(30)]).estimate(mean)
    assert (empty.value, empty.low, empty.high) == (None, None, None)


def test_a_figure_defined_in_few_samples_has_no_interval():
    lone = [{"x": 1.0, "n": float(i == 0)} for i in range(20)]  # 36 % of the samples lack patient 0
    estimate = PatientBootstrap(lone, [str(i) for i in range(20)]).estimate(mean)
    assert estimate.value == 20.0
    assert estimate.low is None


def test_no_tiles_is_a_settings_error():
    with pytest.raises(SettingsError):
        PatientBootstrap([], [])


@pytest.mark.parametrize("skewed", [False, True])
def test_six_patients_hold_the_truth_as_often_as_is_said(skewed):
    rng = np.random.default_rng(6)
    draw = (lambda: rng.standard_exponential(6) - 1) if skewed else (lambda: rng.standard_normal(6))
    pools = (PatientBootstrap(rows(draw()), [str(i) for i in range(6)], samples=500) for _ in range(400))
    held = [found.low <= 0 <= found.high for found in (pool.estimate(mean) for pool in pools)]
    assert 0.90 <= np.mean(held) <= 0.99  # 400 runs; the benchmark has the finer figures


def test_an_interval_stays_where_the_figure_can_be():
    bootstrap = PatientBootstrap(rows([0.9, 1.0, 1.0, 0.95, 0.6]), list("abcde"))
    assert bootstrap.estimate(mean).high > 1
    assert bootstrap.estimate(mean, within=(0.0, 1.0)).high == 1.0


def test_equal_patients_have_an_interval_without_width():
    estimate = PatientBootstrap(rows([0.5] * 8), list("abcdefgh")).estimate(mean)
    assert (estimate.low, estimate.value, estimate.high) == (0.5, 0.5, 0.5)
