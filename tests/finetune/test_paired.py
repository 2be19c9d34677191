"""Rows of a comparison against figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.made_scores import pair, task_score, tile_score
from napari_cerberus.finetune.comparison.critical import critical_distance
from napari_cerberus.finetune.comparison.paired_rows import PairedScores, compare, primary_metric
from napari_cerberus.training.evaluation.metrics.bootstrap import PatientBootstrap
from napari_cerberus.training.evaluation.metrics.tile_sums import mean_over_tiles


def only(rows, **wanted):
    (found,) = [row for row in rows if all(getattr(row, key) == value for key, value in wanted.items())]
    return found


def test_differences_by_hand():
    base, new = (0.6, 0.7, 0.8, 0.7, 0.6, 0.8), (0.7, 0.8, 0.9, 0.8, 0.7, 0.8)
    tiles = [
        pair(f"t{i}", f"p{i}", {"glands": b}, {"glands": n}) for i, (b, n) in enumerate(zip(base, new, strict=True))
    ]
    compared = compare(tiles, same_classes=True)
    row = only(compared.rows, primary=True)
    assert (row.task, row.figure, row.heading, row.tiles, row.patients) == ("glands", "dice", "Dice", 6, 6)
    assert row.base == pytest.approx(0.7)
    assert row.candidate == pytest.approx(0.7 + 0.5 / 6)
    assert row.difference == pytest.approx(0.5 / 6)
    error = np.std([0.1] * 5 + [0.0], ddof=1) / np.sqrt(6)
    assert row.high - row.difference == pytest.approx(critical_distance(6, 1) * error)
    assert row.difference - row.low == pytest.approx(critical_distance(6, 1) * error)
    assert {one.figure for one in compared.rows} == {"dice", "f1", "pq"}
    (validated,) = compared.validated
    assert validated.spread == pytest.approx(np.std([0.1] * 5 + [0.0], ddof=1))


def test_pairing_takes_out_what_tiles_have_in_common():
    """Tiles differ far more from each other than the models do."""
    rng = np.random.default_rng(0)
    bases = rng.uniform(0.2, 0.9, 10)
    tiles = [pair(f"t{i}", f"p{i}", {"glands": b}, {"glands": b + 0.03}) for i, b in enumerate(bases)]
    row = only(compare(tiles, same_classes=True).rows, primary=True)
    assert row.low == pytest.approx(0.03, abs=0.002)
    assert row.high == pytest.approx(0.03, abs=0.002)


def test_all_tiles_of_a_patient_stay_together():
    """One patient with many tiles is one patient: no interval below five."""
    tiles = [pair(f"t{i}", f"p{i % 4}", {"glands": 0.5}, {"glands": 0.6 + i / 1000}) for i in range(40)]
    row = only(compare(tiles, same_classes=True).rows, primary=True)
    assert (row.tiles, row.patients, row.low, row.high) == (40, 4, None, None)


def test_categories_have_rows_of_their_own():
    tiles = [
        pair(f"{name}{i}", f"{name}{i}", {"glands": 0.5}, {"glands": value}, stratum=name)
        for name, value in (("Normal", 0.7), ("Polyp", 0.4))
        for i in range(6)
    ]
    rows = compare(tiles, same_classes=True).rows
    assert only(rows, category="Normal").difference == pytest.approx(0.2)
    assert only(rows, category="Polyp").difference == pytest.approx(-0.1)
    assert only(rows, primary=True).difference == pytest.approx(0.05)


def test_a_task_the_base_lacks_is_shown_alone_and_one_that_is_alike_is_not_judged():
    tiles = [
        pair(f"t{i}", f"p{i}", {"glands": 0.5, "nuclei": 0.5}, {"glands": 0.6, "nuclei": 0.5, "lumina": 0.4})
        for i in range(5)
    ]
    compared = compare(tiles, same_classes=True)
    assert compared.fresh == ("lumina",)
    assert compared.same == ("nuclei",)
    assert [one.row.task for one in compared.validated] == ["glands"]
    fresh = only(compared.rows, task="lumina", figure="dice")
    assert (fresh.base, fresh.difference, fresh.candidate) == (None, None, pytest.approx(0.4))
    assert only(compared.rows, task="nuclei", figure="pq").difference == 0
    assert compared.rows[0].task == "glands"


def test_weak_labels_are_shown_but_not_judged():
    tiles = [pair(f"t{i}", f"p{i}", {"lumina": 0.5}, {"lumina": 0.7}) for i in range(5)]
    compared = compare(tiles, same_classes=True, weak=frozenset({"lumina"}))
    assert compared.validated == ()
    assert all(row.weak and not row.primary for row in compared.rows)


def tissue_pair(number, truth, base, candidate, stratum):
    scores = [
        tile_score(f"t{number}", f"p{number}", tissue=one, truth=truth, stratum=stratum) for one in (base, candidate)
    ]
    return PairedScores(base=scores[0], candidate=scores[1])


def test_tissue_by_balanced_accuracy_and_by_category():
    right, wrong = (0.9, 0.1), (0.2, 0.8)
    tiles = [tissue_pair(i, 0, wrong if i < 3 else right, right, "Normal") for i in range(6)]
    tiles += [tissue_pair(6 + i, 1, wrong, right if i < 1 else wrong, "Polyp") for i in range(2)]
    compared = compare(tiles, same_classes=True)
    primary = only(compared.rows, primary=True)
    # base: recall 3/6 and 2/2; candidate: 6/6 and 1/2
    assert (primary.figure, primary.base, primary.candidate) == ("balanced_accuracy", 0.75, 0.75)
    assert only(compared.rows, category="Normal").heading == "Named right"
    assert only(compared.rows, category="Polyp").difference == pytest.approx(-0.5)
    assert compare(tiles, same_classes=False).fresh == ("tissue",)


def test_with_more_tasks_each_interval_is_wider():
    rng = np.random.default_rng(1)
    values = rng.normal(0.05, 0.05, 12)
    one = [pair(f"t{i}", f"p{i}", {"glands": 0.5}, {"glands": 0.5 + v}) for i, v in enumerate(values)]
    two = [
        pair(f"t{i}", f"p{i}", {"glands": 0.5, "lumina": 0.5}, {"glands": 0.5 + v, "lumina": 0.5 - v})
        for i, v in enumerate(values)
    ]
    narrow = only(compare(one, same_classes=True).rows, primary=True)
    wide = only(compare(two, same_classes=True).rows, primary=True, task="glands")
    assert narrow.low > 0
    assert wide.high - wide.low > 1.05 * (narrow.high - narrow.low)


def test_each_task_has_its_primary_figure():
    assert {task: primary_metric(task) for task in ("nuclei", "glands", "lumina", "tissue")} == {
        "nuclei": "pq",
        "glands": "dice",
        "lumina": "dice",
        "tissue": "balanced_accuracy",
    }


def test_spread_of_a_mean_is_the_standard_deviation_of_the_patients():
    values = [0.1, 0.4, 0.2, 0.9]
    pool = PatientBootstrap([{"x_sum": value, "x_tiles": 1.0} for value in values], list("abcd"))
    spread = pool.spread(lambda sums: mean_over_tiles("x", sums))
    assert spread.standard_deviation == pytest.approx(np.std(values, ddof=1))
    assert spread.standard_error == pytest.approx(np.std(values, ddof=1) / 2)
    assert spread.effective_patients == pytest.approx(4)
    one = PatientBootstrap([{"x_sum": 1.0, "x_tiles": 1.0}], ["a"])
    assert one.spread(lambda sums: mean_over_tiles("x", sums)) is None


def test_one_patient_with_nearly_all_tiles_is_hardly_more_than_one():
    tiles = [pair(f"big{i}", "big", {"glands": 0.5}, {"glands": 0.6}) for i in range(60)]
    tiles += [pair(f"t{i}", f"p{i}", {"glands": 0.5}, {"glands": 0.58 + i / 1000}) for i in range(7)]
    compared = compare(tiles, same_classes=True)
    assert compared.validated[0].outcome == "few"  # (67 tiles)² / (60² + 7) = 1.2 effective patients
    assert only(compared.rows, primary=True).low is None


def test_pq_is_pooled_over_objects():
    scores = [
        PairedScores(
            base=tile_score(f"t{i}", f"p{i}", {"nuclei": task_score(0.5, 0.6)}),
            candidate=tile_score(f"t{i}", f"p{i}", {"nuclei": task_score(0.5, 0.7)}),
        )
        for i in range(5)
    ]
    assert only(compare(scores, same_classes=True).rows, primary=True).difference == pytest.approx(0.1)
