"""Object figures against brute force that follows the papers word by word, and hand-computed cases."""

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_cerberus.errors import DataError
from napari_cerberus.training.evaluation.metrics.object_metrics import compare_objects

LABELS = arrays(np.int32, (7, 9), elements=st.integers(0, 4))


def metrics(truth, predicted):
    return compare_objects(truth, predicted).metrics()


def brute_force(truth, predicted):
    """The definitions, with masks and loops."""
    drawn = [truth == i for i in np.unique(truth) if i]
    found = [predicted == i for i in np.unique(predicted) if i]
    matches = [iou for g in drawn for p in found if (iou := _iou(g, p)) > 0.5]
    tp, fp, fn = len(matches), len(found) - len(matches), len(drawn) - len(matches)
    result = {
        "f1": _part(2 * tp, 2 * tp + fp + fn),
        "object_precision": _part(tp, tp + fp),
        "object_recall": _part(tp, tp + fn),
        "sq": _part(sum(matches), tp),
        "aji": _aji(drawn, found),
        "object_dice": _object_dice(drawn, found),
    }
    result["pq"] = result["f1"] * result["sq"] if tp else result["f1"]
    return result


def _iou(g, p):
    return (g & p).sum() / (g | p).sum()


def _part(above, below):
    return above / below if below else math.nan


def _aji(drawn, found):
    intersection, union, used = 0, 0, set()
    for g in drawn:
        ious = [_iou(g, p) for p in found]
        best = int(np.argmax(ious)) if ious else 0
        if not ious or ious[best] == 0:
            union += g.sum()
            continue
        used.add(best)
        intersection += (g & found[best]).sum()
        union += (g | found[best]).sum()
    union += sum(p.sum() for j, p in enumerate(found) if j not in used)
    return _part(intersection, union)


def _object_dice(drawn, found):
    if not drawn and not found:
        return math.nan
    return (_one_side(drawn, found) + _one_side(found, drawn)) / 2


def _one_side(own, other):
    total = 0.0
    for g in own:
        overlaps = [((g & p).sum(), 2 * (g & p).sum() / (g.sum() + p.sum())) for p in other]
        total += g.sum() * max(overlaps, default=(0, 0.0))[1]
    return total / sum(g.sum() for g in own) if own else 0.0


@given(LABELS, LABELS)
def test_figures_agree_with_the_definitions(truth, predicted):
    expected = brute_force(truth, predicted)
    for key, value in metrics(truth, predicted).items():
        assert value == pytest.approx(expected[key], nan_ok=True), key


@given(LABELS)
def test_a_perfect_answer_has_every_figure_one_whatever_the_ids(truth):
    renamed = np.array([0, 900_000_000, 7, 1_000, 3], np.int64)[truth]
    values = metrics(truth, renamed)
    assert all(math.isnan(value) if not truth.any() else value == pytest.approx(1.0) for value in values.values())


def test_a_case_worked_out_by_hand():
    truth = np.array([[1, 1, 1, 1, 0, 2, 2, 2]])
    predicted = np.array([[5, 5, 5, 0, 0, 0, 9, 9]])
    values = metrics(truth, predicted)
    assert values["f1"] == 1.0
    assert values["sq"] == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert values["pq"] == values["sq"]
    assert values["aji"] == pytest.approx(5 / 7)
    weighted = (4 * 6 / 7 + 3 * 4 / 5) / 7, (3 * 6 / 7 + 2 * 4 / 5) / 5
    assert values["object_dice"] == pytest.approx(sum(weighted) / 2)


def test_halves_of_an_object_match_neither_at_exactly_one_half():
    truth, predicted = np.array([[1, 1, 1, 1]]), np.array([[1, 1, 2, 2]])
    sums = compare_objects(truth, predicted)
    assert (sums.matched, sums.extra, sums.missed) == (0, 2, 1)


@pytest.mark.parametrize("swap", [False, True])
def test_one_empty_side_scores_zero(swap):
    pair = np.array([[0, 1, 1, 2]]), np.zeros((1, 4), int)
    values = metrics(*(pair[::-1] if swap else pair))
    assert values["f1"] == values["pq"] == values["aji"] == values["object_dice"] == 0.0
    assert math.isnan(values["sq"])


def test_negative_ids_and_other_sizes_are_refused():
    with pytest.raises(DataError, match="negative"):
        compare_objects(np.array([[-1, 0]]), np.array([[0, 0]]))
    with pytest.raises(DataError, match="size"):
        compare_objects(np.zeros((2, 2), int), np.zeros((2, 3), int))


def test_thousands_of_objects_take_about_a_second():
    side, step = 2000, 28
    y, x = np.mgrid[:side, :side]
    truth = ((y // step) * 72 + x // step + 1).astype(np.int32) * ((y % step > 3) & (x % step > 3))
    predicted = np.roll(truth, (3, 2), (0, 1))
    began = time.perf_counter()
    sums = compare_objects(truth, predicted)
    assert sums.matched > 4900
    assert time.perf_counter() - began < 5  # about 0.3 s on an idle machine
