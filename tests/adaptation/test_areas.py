"""Finished areas as pixels, and the places where nothing can be learned."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cerberus.adaptation.finished_ground import Ground, continued, halves
from napari_cerberus.adaptation.guard import choose, drifts, lost
from napari_cerberus.annotation.finished_areas import FinishedArea, contradictions, finished_masks
from napari_cerberus.errors import DataError
from napari_cerberus.inference.grid.model_grid import ModelGrid

EDGE = st.integers(-20, 60)


@given(EDGE, EDGE, st.integers(1, 50), st.integers(1, 50))
def test_a_rectangle_is_its_pixels_cut_at_the_edge(y0: int, x0: int, height: int, width: int) -> None:
    area = FinishedArea.rectangle(y0, x0, y0 + height, x0 + width, ("glands",))
    y, x = np.mgrid[:40, :30]
    expected = (y >= y0) & (y < y0 + height) & (x >= x0) & (x < x0 + width)
    assert np.array_equal(area.mask((40, 30)), expected)
    assert FinishedArea.from_json(json.loads(json.dumps(area.to_json()))) == area


def test_a_triangle_holds_the_centres_inside_it() -> None:
    mask = FinishedArea(corners=((-0.5, -0.5), (-0.5, 9.5), (9.5, -0.5)), tasks=("nuclei",)).mask((10, 10))
    y, x = np.mgrid[:10, :10]
    assert mask[y + x < 9].all()
    assert not mask[y + x > 9].any()


def test_overlapping_areas_are_one_and_those_outside_of_the_image_are_none() -> None:
    areas = [
        FinishedArea.rectangle(0, 0, 10, 10, ("glands", "nuclei")),
        FinishedArea.rectangle(5, 5, 15, 15, ("glands",)),
        FinishedArea.rectangle(100, 100, 120, 120, ("lumina",)),
    ]
    masks = finished_masks(areas, (20, 20))
    assert {task: int(mask.sum()) for task, mask in masks.items()} == {"glands": 175, "nuclei": 100}


@pytest.mark.parametrize(
    ("corners", "tasks", "words"),
    [
        (((0.0, 0.0), (1.0, 1.0)), ("glands",), "3 to 10,000 corners"),
        (((0.0, 0.0), (1.0, float("nan")), (2.0, 0.0)), ("glands",), "no number"),
        (((0.0, 0.0), (1.0, 1.0), (2.0, 0.0)), (), "name what is right"),
    ],
)
def test_a_damaged_area_is_refused_in_one_sentence(corners, tasks, words) -> None:
    with pytest.raises(DataError, match=words):
        FinishedArea(corners=corners, tasks=tasks)


@pytest.mark.parametrize("data", [None, {}, {"corners": [[1]], "tasks": []}, {"corners": [[0, 0]] * 3, "tasks": "x"}])
def test_a_value_that_is_no_area_is_refused(data: object) -> None:
    with pytest.raises(DataError, match="damaged"):
        FinishedArea.from_json(data)


def test_contradictions_are_where_one_has_an_object_and_the_other_background() -> None:
    first = {"glands": np.array([[1, 1, 0, 0]])}
    second = {"glands": np.array([[0, 7, 3, 0]])}
    both = {"glands": np.array([[True, True, True, True]])}
    assert contradictions(first, second, both)["glands"].tolist() == [[True, False, True, False]]
    assert contradictions(first, first, both) == {}


def test_labels_outside_never_reach_what_is_taught() -> None:
    rng = np.random.default_rng(0)
    counted = np.zeros((48, 64), bool)
    counted[8:30, 10:40] = True
    inside = rng.integers(0, 4, counted.shape)
    grid = ModelGrid(image_shape=(48, 64), scales=(1.0, 1.0))
    grounds = [
        Ground.of(np.where(counted, inside, rng.integers(0, 9, counted.shape)), counted, None, grid) for _ in range(2)
    ]
    for one, other in zip(
        grounds[0].teaching(counted, "glands", 1.0), grounds[1].teaching(counted, "glands", 1.0), strict=True
    ):
        assert np.array_equal(one, other)
    assert not grounds[0].teaching(counted, "glands", 1.0)[1][~counted].any()


def test_an_object_cut_by_the_area_goes_on_beyond_it() -> None:
    labels = np.zeros((6, 6), np.int32)
    labels[2:4, :3] = 5
    counted = np.zeros((6, 6), bool)
    counted[:, :3] = True
    assert continued(labels, counted)[2:4].tolist() == [[5] * 6] * 2


def test_halves_part_the_objects_and_lose_nothing() -> None:
    part = np.zeros((40, 80), bool)
    part[5:25, 10:70] = True
    objects = np.zeros_like(part)
    objects[10:20, 12:22] = objects[10:20, 26:36] = True
    first, second = halves(part, objects)
    assert np.array_equal(first ^ second, part)
    assert (first & objects).sum() == (second & objects).sum()


def sums(tp: float, fp: float, fn: float, matched: int = 4) -> dict[str, float]:
    """Objects as good as the pixels."""
    dice = 2 * tp / (2 * tp + fp + fn)
    objects = {"drawn_dice": 100 * dice, "drawn_area": 100.0, "predicted_dice": 100 * dice, "predicted_area": 100.0}
    counts = {"matched": matched, "extra": 0, "missed": 0, "iou_sum": matched * dice}
    return {"tp": tp, "fp": fp, "fn": fn, **objects, **counts}


GOOD, FAIR, POOR = sums(90, 10, 10), sums(80, 20, 20), sums(50, 50, 50)


def test_nothing_is_kept_where_one_half_loses() -> None:
    assert choose([FAIR, FAIR], {1.0: [GOOD, POOR], 0.5: [GOOD, POOR]}).keep == 0
    assert choose([POOR, GOOD], {1.0: [GOOD, FAIR]}).keep == 0, "a gain on the whole does not outweigh it"


def test_the_share_that_gains_most_is_kept_and_the_smaller_one_where_they_are_alike() -> None:
    verdict = choose([POOR, POOR], {0.5: [FAIR, FAIR], 1.0: [GOOD, GOOD]})
    assert (verdict.keep, verdict.gain > 0.3) == (1.0, True)
    assert choose([POOR, POOR], {0.5: [GOOD, GOOD], 1.0: [GOOD, GOOD]}).keep == 0.5
    assert choose([GOOD, GOOD], {0.5: [GOOD, GOOD]}).keep == 0, "no gain, no change"


def test_one_half_can_forbid_all() -> None:
    assert lost(GOOD, {0.5: FAIR, 1.0: POOR})
    assert not lost(FAIR, {0.5: GOOD, 1.0: POOR})


def test_an_answer_that_changes_only_where_nobody_looked_is_refused() -> None:
    assert drifts(0.9, 0.3)
    assert not drifts(0.6, 0.5)
