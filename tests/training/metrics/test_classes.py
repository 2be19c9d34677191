"""Class figures against scikit-learn and a reliability curve worked out by hand."""

import warnings

import numpy as np
import pytest
from sklearn import metrics

from napari_cerberus.errors import DataError
from napari_cerberus.training.evaluation.metrics import class_metrics


def added(truth, probabilities):
    rows = [class_metrics.class_sums(t, p) for t, p in zip(truth, probabilities, strict=True)]
    return {name: np.sum([row[name] for row in rows], axis=0) for name in rows[0]}


@pytest.mark.parametrize(("seed", "kinds"), [(0, 6), (1, 6), (2, 3), (3, 2)])
def test_figures_agree_with_scikit_learn(seed, kinds):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, max(kinds - 1, 2), 80)  # where there are three or more, one class never occurs
    probabilities = rng.dirichlet(np.full(kinds, 0.5), 80)
    answers = probabilities.argmax(1)
    sums = added(truth, probabilities)
    assert np.array_equal(sums["confusion"], metrics.confusion_matrix(truth, answers, labels=range(kinds)))
    assert class_metrics.accuracy(sums) == pytest.approx(metrics.accuracy_score(truth, answers))
    assert class_metrics.macro_f1(sums) == pytest.approx(metrics.f1_score(truth, answers, average="macro"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn remarks on answers that never occur in the truth
        balanced = metrics.balanced_accuracy_score(truth, answers)
    assert class_metrics.balanced_accuracy(sums) == pytest.approx(balanced)
    expected = metrics.log_loss(truth, probabilities, labels=range(kinds))
    assert class_metrics.mean_log_loss(sums) == pytest.approx(expected)


def test_calibration_worked_out_by_hand():
    # Bins of 1/15: 0.9 is in bin 13 (0.867..0.933), 0.6 in bin 9 (0.6..0.667), 1.0 in the last.
    sums = added([0, 0, 1, 1], [(0.9, 0.1), (0.9, 0.1), (0.61, 0.39), (0.0, 1.0)])
    expected = (2 * abs(1 - 0.9) + 1 * abs(0 - 0.61) + 1 * 0) / 4
    assert class_metrics.ece(sums) == pytest.approx(expected)
    curve = class_metrics.reliability(sums)
    assert [(bin_["count"], bin_["right"]) for bin_ in curve] == [(1, 0), (2, 1), (1, 1)]
    assert [bin_["probability"] for bin_ in curve] == pytest.approx([0.61, 0.9, 1.0])


def test_perfectly_calibrated_coins_have_no_error():
    sums = added([0, 1] * 50, [(0.5, 0.5)] * 100)
    assert class_metrics.ece(sums) == pytest.approx(0.0)
    assert class_metrics.accuracy(sums) == 0.5


def test_formulas_work_on_many_samples_at_once():
    rng = np.random.default_rng(0)
    confusion = rng.integers(0, 9, (5, 4, 4)).astype(float)
    together = class_metrics.balanced_accuracy({"confusion": confusion})
    alone = [float(class_metrics.balanced_accuracy({"confusion": each})) for each in confusion]
    assert together == pytest.approx(alone)


def test_nothing_counted_is_nan_and_unknown_classes_are_refused():
    nothing = {name: 0 * value for name, value in class_metrics.class_sums(0, (0.5, 0.5)).items()}
    assert all(np.isnan(formula(nothing)) for formula in class_metrics.CLASS_FORMULAS.values())
    with pytest.raises(DataError, match="Class 2"):
        class_metrics.class_sums(2, (0.5, 0.5))
