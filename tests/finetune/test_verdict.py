"""The verdict: each case by hand, and how often it is wrong where nothing differs."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.made_scores import noisy
from napari_cerberus.finetune.comparison import paired_rows
from napari_cerberus.finetune.comparison.comparison_record import Row
from napari_cerberus.finetune.comparison.paired_rows import compare
from napari_cerberus.finetune.comparison.verdict import judge, needed_patients, verdict_of


def row(difference, low=None, high=None, *, patients=10, task="glands"):
    return Row(
        task=task,
        figure="dice",
        heading="Dice",
        base=0.8,
        candidate=0.8,
        difference=difference,
        low=low,
        high=high,
        tiles=3 * patients,
        patients=patients,
        primary=True,
    )


def test_the_number_of_patients():
    """38 and 74 as worked out by ``critical``, which has tests of its own."""
    assert needed_patients(0.03, 0.05, 1) == 38
    assert needed_patients(-0.03, 0.05, 1) == 38
    assert needed_patients(0.001, 0.05, 1) == needed_patients(0.02, 0.05, 1) == 74  # 0.02 stands in
    assert needed_patients(0.2, 0.05, 1) == 5
    assert needed_patients(0.2, None, 1) == 5
    assert needed_patients(0.03, 0.05, 3) > 40
    assert needed_patients(0.03, 0.05, 1, 0.7) > 38


@pytest.mark.parametrize(
    ("given", "spread", "outcome", "needed"),
    [
        (row(0.05, 0.01, 0.09), 0.05, "better", None),
        (row(-0.05, -0.09, -0.01), 0.05, "worse", None),
        (row(0.005, -0.01, 0.02, patients=75), 0.05, "none", None),
        (row(0.005, -0.03, 0.04, patients=10), 0.05, "few", 74),
        (row(0.03, -0.01, 0.07, patients=10), 0.05, "few", 38),
        (row(0.03, -0.001, 0.06, patients=30), 0.05, "few", 38),
        (row(0.03, patients=3), 0.05, "few", 38),
        (row(0.03, patients=1), None, "few", 5),
        (row(None, patients=8), None, "few", 9),
    ],
)
def test_one_task(given, spread, outcome, needed):
    validated = judge(given, spread, 1)
    assert (validated.outcome, validated.needed) == (outcome, needed)


def verdict(*rows):
    return verdict_of([judge(one, 0.05, len(rows)) for one in rows])


def test_better_says_figure_difference_interval_and_patients():
    words, sentence, needed = verdict(row(0.05, 0.01, 0.09))
    assert (words, needed) == ("better", None)
    assert sentence == "Better: glands Dice +0.050 (+0.010 to +0.090) on 10 held-out patients (30 tiles)."


def test_worse_wins_over_better_and_names_both():
    words, sentence, _ = verdict(row(0.05, 0.01, 0.09), row(-0.04, -0.06, -0.02, task="lumina"))
    assert words == "worse"
    assert "Worse: lumina Dice −0.040" in sentence
    assert "Better, however: glands" in sentence


def test_better_names_what_was_not_shown():
    words, sentence, _ = verdict(row(0.05, 0.01, 0.09), row(0.01, -0.06, 0.08, task="lumina"))
    assert words == "better"
    assert "Nothing shown for lumina" in sentence


def test_too_few_patients_says_how_many_would_do():
    words, sentence, needed = verdict(row(0.03, -0.02, 0.08))
    assert (words, needed) == ("too few patients", 38)
    assert sentence.endswith("About 38 would do.")
    words, sentence, needed = verdict(row(0.03, -0.02, 0.08), row(0.2, -0.02, 0.4, task="lumina"))
    assert needed == 11
    assert sentence.endswith("About 11 would do, for lumina.")


def test_more_patients_than_anybody_has_are_not_counted():
    _, sentence, _ = verdict_of([judge(row(0.001, -0.5, 0.5), 3.0, 1)])
    assert sentence.endswith("It would take more than 10,000.")


def test_no_difference_only_where_all_tasks_had_patients_enough():
    assert verdict(row(0.005, -0.01, 0.02, patients=75))[0] == "no difference shown"
    both = verdict(row(0.005, -0.01, 0.02, patients=99), row(0.005, -0.05, 0.06, patients=6, task="lumina"))
    assert both[0] == "too few patients"


@pytest.mark.parametrize(
    ("patients", "tasks", "skewed"),
    [(5, ("glands",), False), (8, ("glands", "lumina"), False), (12, ("glands",), True)],
)
def test_where_nothing_differs_better_is_rarely_said(monkeypatch, patients, tasks, skewed):
    monkeypatch.setattr(paired_rows, "SAMPLES", 1000)
    monkeypatch.setattr(paired_rows, "INSTANCE_METRICS", ("dice",))
    rng = np.random.default_rng(patients)
    runs = 60
    said = [
        verdict_of(compare(noisy(rng, patients, tasks, skewed=skewed), same_classes=True).validated)[0]
        for _ in range(runs)
    ]
    assert said.count("better") <= 0.05 * runs
    assert said.count("worse") <= 0.05 * runs
    assert said.count("too few patients") >= 0.7 * runs


def test_a_large_gain_is_seen_by_few_patients(monkeypatch):
    monkeypatch.setattr(paired_rows, "SAMPLES", 1000)
    rng = np.random.default_rng(0)
    said = [verdict_of(compare(noisy(rng, 8, effect=0.15), same_classes=True).validated)[0] for _ in range(10)]
    assert said.count("better") >= 9
