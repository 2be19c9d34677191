"""Figures of groups from scores of tiles."""

from dataclasses import replace

import pytest

from napari_cerberus.tasks import CERBERUS_TASKS, EBHI_CLASSES
from napari_cerberus.training.evaluation.scoring import compare
from napari_cerberus.training.evaluation.summary import (
    OVERALL,
    BootstrapSettings,
    summarise_tasks,
    summarise_tissue,
    summarise_types,
)
from training.evaluation import trees

BOOTSTRAP = BootstrapSettings(samples=200)


def score(name, *, stratum="Polyp", patient=None, left=4, answer="Polyp", sure=0.75):
    """A tile whose 8 px gland is found ``left - 4`` px beside its place."""
    tile = trees.tile(name, stratum=stratum, patient=patient)
    rest = (1 - sure) / (len(EBHI_CLASSES) - 1)
    tissue = {one: sure if one == answer else rest for one in EBHI_CLASSES}
    labels = {"glands": trees.square(4, left, 8) if left < 24 else 0 * trees.square(0, 0, 1)}
    return compare(tile, tile.load(), trees.annotation(labels, tissue)).score


def test_groups_are_all_tiles_then_categories_in_the_models_order():
    scores = [score("a"), score("b", stratum="Normal"), score("c", stratum="Adenocarcinoma")]
    (summary,) = summarise_tasks(scores, order=EBHI_CLASSES, bootstrap=BOOTSTRAP)
    assert [group.name for group in summary.groups] == [OVERALL, "Normal", "Polyp", "Adenocarcinoma"]
    assert not summary.weak
    (one,) = summarise_tasks(scores[:1], weak=frozenset({"glands"}), bootstrap=BOOTSTRAP)
    assert [group.name for group in one.groups] == [OVERALL]
    assert one.weak


def test_figures_of_a_group_worked_out_by_hand():
    scores = [score("a"), score("b", left=8), score("c", left=24)]  # perfect, half of it, nothing found
    (summary,) = summarise_tasks(scores, bootstrap=BOOTSTRAP)
    group = summary.groups[0]
    value = {key: estimate.value for key, estimate in group.metrics.items()}
    assert value["dice"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert value["pooled_dice"] == pytest.approx(2 * 96 / (2 * 96 + 32 + 96))
    assert value["conformity"] == pytest.approx((1 + (1 - 64 / 32)) / 2)
    assert group.conformity_failures == 1
    assert value["precision"] == pytest.approx((1 + 0.5) / 2)
    assert value["f1"] == pytest.approx(2 / (2 + 1 + 2))  # the half has IoU 1/3: no match
    assert value["tile_f1"] == pytest.approx((1 + 0 + 0) / 3)
    assert (group.drawn_objects, group.predicted_objects) == (3, 2)
    assert (group.tiles, group.patients) == (3, 3)
    assert "3 patients" in group.note


def test_tissue_figures_and_the_confusion_matrix():
    scores = [score(str(i), patient=str(i), stratum="Polyp", answer="Polyp") for i in range(6)]
    scores += [score(str(i), patient=str(i), stratum="Normal", answer="Polyp") for i in range(6, 8)]
    summary = summarise_tissue(scores, EBHI_CLASSES, BOOTSTRAP)
    assert summary.metrics["accuracy"].value == pytest.approx(6 / 8)
    assert summary.metrics["balanced_accuracy"].value == pytest.approx(1 / 2)
    assert summary.metrics["ece"].value == pytest.approx(0.0)
    assert summary.confusion[0][1] == 2
    polyp, normal = summary.classes[1], summary.classes[0]
    assert (polyp.cases, polyp.answers, normal.cases) == (6, 8, 2)
    assert polyp.recall.value == 1.0
    assert polyp.precision.low is not None
    assert normal.recall.low is None, "two patients are too few for an interval"
    assert summary.classes[5].recall.value is None


def test_classes_of_objects_are_summed_over_tiles():
    spec = next(task for task in CERBERUS_TASKS if task.key == "gland_types")
    tables = [((0, 0, 0), (0, 3, 1), (0, 0, 2)), ((0, 0, 0), (1, 5, 0), (0, 0, 0)), ((0, 0, 0),) * 3]
    scores = [replace(score(str(i)), types={spec.key: table}) for i, table in enumerate(tables)]
    (summary,) = summarise_types([*scores, score("untyped")], CERBERUS_TASKS, BOOTSTRAP)
    assert (summary.task, summary.types_of, summary.objects, summary.tiles) == ("gland_types", "glands", 12, 2)
    assert summary.metrics["accuracy"].value == pytest.approx(10 / 12)
    assert summary.metrics["balanced_accuracy"].value == pytest.approx((8 / 10 + 1) / 2)
    none, gland, surface = summary.classes
    assert (none.answers, none.recall.value, none.precision.value) == (1, None, 0.0)
    assert (gland.cases, gland.recall.value, gland.precision.value) == (10, 0.8, 1.0)
    assert surface.f1.value == pytest.approx(2 * 2 / (2 + 3))


def test_no_tissue_truth_gives_no_tissue_summary():
    tile = trees.tile("a")
    alone = compare(tile, tile.load(), trees.annotation({"glands": trees.square(4, 4, 8)})).score
    assert summarise_tissue([alone], EBHI_CLASSES) is None
