"""How far is far enough, and how many patients it takes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from napari_cerberus.finetune.comparison.critical import (
    PLANNED_POWER,
    POWER,
    critical_distance,
    fewest_patients,
    patients_for_power,
    power,
)


def test_even_patients_who_all_agree_must_be_enough():
    # 1/2^n is the chance that all agree: 1/32 <= 0.05, 1/64 <= 0.025, 1/128 <= 0.0125
    assert [fewest_patients(tasks) for tasks in (1, 2, 3, 4)] == [5, 6, 6, 7]


@pytest.mark.parametrize("tasks", [1, 4])
@pytest.mark.parametrize("patients", [5, 9, 40])
@pytest.mark.parametrize("sign", [1, -1])
def test_skewed_differences_pass_no_more_often_than_allowed(patients, tasks, sign):
    values = sign * (np.random.default_rng(1).standard_exponential((40_000, patients)) - 1)
    distance = values.mean(1) / (values.std(1, ddof=1) / np.sqrt(patients))
    assert (distance > critical_distance(patients, tasks)).mean() < 0.05 / tasks
    assert (distance < -critical_distance(patients, tasks)).mean() < 0.05 / tasks


def test_it_is_never_less_than_students_and_comes_close_to_it_with_many():
    for patients in (3, 8.4, 25, 200, 3000):
        student = stats.t.ppf(0.975, patients - 1)
        assert critical_distance(patients, 1) >= student
    assert critical_distance(100_000, 1) == pytest.approx(1.96, abs=0.01)


def test_power_and_the_number_of_patients_belong_together():
    needed = patients_for_power(0.03, 0.05, 2)
    assert power(0.03, 0.05, needed - 1, 2) < PLANNED_POWER <= power(0.03, 0.05, needed, 2)
    assert patients_for_power(0.03, 0.05, 2, 0.8) > needed
    assert patients_for_power(0.03, 0.0, 1) == 5
    assert patients_for_power(0.0001, 1.0, 1) == 10_000


@pytest.mark.parametrize("shape", ["bell", "few far above", "few far below"])
@pytest.mark.parametrize(("difference", "tasks"), [(0.05, 1), (0.1, 4)])
def test_as_many_patients_as_asked_for_show_it_in_four_of_five_whatever_the_shape(shape, difference, tasks):
    needed = patients_for_power(difference, 0.1, tasks)
    rng = np.random.default_rng(2)
    if shape == "bell":
        spread = rng.standard_normal((20_000, needed))
    else:
        spread = (rng.standard_exponential((20_000, needed)) - 1) * (1 if shape == "few far above" else -1)
    values = difference + 0.1 * spread
    distance = values.mean(1) / (values.std(1, ddof=1) / np.sqrt(needed))
    assert (distance > critical_distance(needed, tasks)).mean() >= POWER
