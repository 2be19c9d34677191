"""A re-run keeps what the user did: kept objects to the pixel, ids stable, regions respected."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from annotation_helpers import ids_of, random_labels
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from skimage.draw import disk

from napari_cerberus.annotation import object_columns, object_table
from napari_cerberus.annotation.edits import delete_objects, grow
from napari_cerberus.annotation.merge import MergeSettings, Rerun, merge
from napari_cerberus.annotation.review.findings import DISAGREEMENT
from napari_cerberus.annotation.tracking import TrackedLabels
from napari_cerberus.errors import DataError, SettingsError


def rows(labels, **columns):
    return object_table.new_rows("nuclei", object_table.measure(labels, 0.5), **{"confidence": 0.9, **columns})


def painted(*disks, size=80):
    labels = np.zeros((size, size), dtype=np.int32)
    for object_id, centre, radius in disks:
        labels[disk(centre, radius, shape=labels.shape)] = object_id
    return labels


def rerun(last, current, new, states=None, region=None, **columns):
    objects = rows(current)
    objects["state"] = [(states or {}).get(i, "unreviewed") for i in objects["index"]]
    return Rerun(
        task="nuclei",
        last=last,
        current=current,
        new=new,
        objects=objects,
        new_objects=rows(new, **{"confidence": 0.7, **columns}).drop(columns=list(object_columns.REVIEW_COLUMNS)),
        pixel_size_um=0.5,
        region=region,
    )


def state_of(result, index):
    return result.objects.set_index("index").loc[index, "state"]


def test_untouched_objects_take_the_new_result_and_keep_their_ids_where_they_match():
    last = painted((1, (20, 20), 8), (2, (60, 60), 8))
    new = painted((9, (21, 20), 8), (4, (20, 60), 6))
    result = merge(rerun(last, last, new))
    merged = result.change.applied(last)
    assert np.array_equal(merged > 0, new > 0)
    assert ids_of(merged) == {1, 3}
    assert np.array_equal(merged == 1, new == 9)
    assert (result.counts.replaced, result.counts.taken, result.counts.kept) == (2, 2, 0)
    assert result.objects["confidence"].tolist() == [0.7, 0.7]
    assert str(result.counts) == "2 objects from the new result replace 2 untouched ones, 0 of yours stay."


@pytest.mark.parametrize("state", ["accepted", "rejected", "edited"])
def test_decided_objects_stay_and_the_new_one_on_them_does_not_come(state):
    last = painted((1, (20, 20), 8), (2, (60, 60), 8))
    new = painted((1, (21, 21), 9), (2, (60, 61), 8))
    result = merge(rerun(last, last, new, {1: state}))
    merged = result.change.applied(last)
    assert np.array_equal(merged == 1, last == 1)
    assert np.array_equal(merged == 2, new == 2)
    assert state_of(result, 1) == state
    assert state_of(result, 2) == "unreviewed"
    assert not len(result.conflicts)


def test_an_object_changed_by_any_tool_stays_though_its_state_was_never_set():
    last = painted((1, (20, 20), 8))
    current = grow(last, 1, 2).applied(last)
    result = merge(rerun(last, current, painted((5, (20, 20), 8))))
    assert not result.change
    assert result.counts.kept == 1


def test_a_deleted_object_stays_away_also_in_the_next_run():
    last = painted((1, (20, 20), 8), (2, (60, 60), 8))
    current = delete_objects(last, [1]).applied(last)
    new = painted((1, (21, 20), 8), (2, (60, 60), 8))
    first = merge(rerun(last, current, new))
    merged = first.change.applied(current)
    assert ids_of(merged) == {2}
    assert first.counts.stay_deleted == 1
    second = merge(rerun(first.model_labels, merged, new))
    assert ids_of(second.change.applied(merged)) == {2}


def test_a_skipped_object_counts_as_untouched():
    last = painted((1, (20, 20), 8))
    assert merge(rerun(last, last, np.zeros_like(last), {1: "skipped"})).change.removed_ids == (1,)


def test_a_slight_overlap_is_cut_off_and_the_kept_object_is_whole():
    last = painted((1, (40, 30), 10))
    new = painted((1, (40, 47), 10))
    result = merge(rerun(last, last, new, {1: "accepted"}))
    merged = result.change.applied(last)
    assert np.array_equal(merged == 1, last == 1)
    assert np.array_equal(merged > 1, (new > 0) & (last == 0))
    assert result.counts.clipped == 1
    assert not len(result.conflicts)


def test_a_cut_that_divides_a_new_object_keeps_its_largest_piece():
    last = np.zeros((40, 60), dtype=np.int32)
    last[:, 20:22] = 1
    new = np.zeros_like(last)
    new[10:20, 10:50] = 1
    merged = merge(rerun(last, last, new, {1: "accepted"})).change.applied(last)
    expected = last.copy()
    expected[10:20, 22:50] = 2
    assert np.array_equal(merged, expected)


def test_a_true_conflict_keeps_yours_and_is_queued_with_numbers():
    last = painted((1, (40, 30), 10))
    result = merge(rerun(last, last, painted((1, (40, 40), 10)), {1: "edited"}))
    assert not result.change
    assert result.counts.conflicts == 1
    conflict = result.conflicts.iloc[0]
    assert (conflict["task"], conflict["index"], conflict["rule"]) == ("nuclei", 1, DISAGREEMENT)
    assert "the new result has another here, 3" in conflict["reason"]


def test_a_larger_object_round_yours_is_taken_with_a_conflict():
    last = painted((1, (40, 40), 4))
    result = merge(rerun(last, last, painted((1, (40, 40), 25)), {1: "accepted"}))
    merged = result.change.applied(last)
    assert np.array_equal(merged == 1, last == 1)
    assert np.count_nonzero(merged == 2) > 1500
    assert "larger one around it" in result.conflicts["reason"].item()


def test_outside_the_region_nothing_changes_not_even_objects_that_reach_in():
    last = painted((1, (20, 20), 8), (2, (40, 40), 8), (3, (60, 60), 8))
    new = painted((7, (22, 20), 8), (8, (60, 62), 8), (9, (40, 40), 8))
    result = merge(rerun(last, last, new, region=(0, 0, 40, 80)))
    merged = result.change.applied(last)
    assert np.array_equal(merged[40:], last[40:])
    assert np.array_equal(merged == 2, last == 2)
    assert np.array_equal(merged == 1, new == 7)
    assert not len(result.conflicts)
    assert result.counts.kept == 0


def test_the_class_and_confidence_come_from_the_right_run():
    last = painted((1, (20, 20), 8), (2, (60, 60), 8))
    material = rerun(last, last, painted((4, (60, 60), 8)), {1: "accepted"}, **{"class": "plasma"})
    by_id = merge(material).objects.set_index("index")
    assert by_id["class"].to_dict() == {1: "", 2: "plasma"}
    assert by_id["confidence"].to_dict() == {1: 0.9, 2: 0.7}
    assert by_id["state"].to_dict() == {1: "accepted", 2: "unreviewed"}


def test_the_first_result_on_an_empty_layer_is_taken_whole():
    empty = np.zeros((80, 80), dtype=np.int32)
    new = painted((3, (20, 20), 8), (900, (60, 60), 8))
    result = merge(rerun(empty, empty, new))
    assert np.array_equal(result.change.applied(empty) > 0, new > 0)
    assert len(result.objects) == 2


@hypothesis_settings(max_examples=60)
@given(seed=st.integers(0, 100_000), with_region=st.booleans(), clip=st.floats(0, 0.5), same=st.floats(0.55, 1))
def test_kept_objects_are_identical_ids_unique_and_the_table_fits(seed, with_region, clip, same):
    rng = np.random.default_rng(seed)
    last = random_labels(seed, 40, 40, 10)
    current = last.copy()
    for object_id in sorted(ids_of(last)):
        fate = rng.random()
        if fate < 0.15:
            current[current == object_id] = 0
        elif fate < 0.3:
            current = grow(current, object_id).applied(current)
    states = {i: str(rng.choice(object_columns.STATES)) for i in ids_of(current)}
    new = random_labels(seed + 1, 40, 40, 12)
    region = tuple(sorted(rng.integers(0, 41, 2))) if with_region else (0, 40)
    region = (int(region[0]), 3, int(region[1]), 40) if with_region else None
    material = rerun(last, current, new, states, region)
    result = merge(material, MergeSettings(clip_up_to=clip, same_from=same))
    merged = result.change.applied(current)

    touched = {i for i in ids_of(current) if not np.array_equal(current == i, last == i)}
    decided = {i for i in ids_of(current) if states[i] in object_columns.DECIDED}
    for object_id in touched | decided:
        assert np.array_equal(merged == object_id, current == object_id)
    if region is not None:
        outside = np.ones_like(merged, dtype=bool)
        outside[region[0] : region[2], region[1] : region[3]] = False
        assert np.array_equal(merged[outside], current[outside])
    assert set(result.objects["index"]) == ids_of(merged)
    assert result.objects["index"].is_unique
    deleted = (ids_of(last) | set(material.objects["index"])) - ids_of(current)
    assert not ids_of(merged) & deleted, "ids of deleted objects do not come back"
    pd.testing.assert_frame_equal(
        result.objects[["index", *object_columns.GEOMETRY]], object_table.measure(merged, 0.5), check_exact=False
    )
    assert set(result.conflicts["index"]) <= touched | decided
    kept_now = {i for i in ids_of(merged) if not np.array_equal(merged == i, result.model_labels == i)}
    assert kept_now <= ids_of(current), "what came from the model counts as untouched next time"


@hypothesis_settings(max_examples=30)
@given(seed=st.integers(0, 100_000))
def test_the_same_result_again_changes_nothing(seed):
    last = random_labels(seed, 40, 40, 10)
    result = merge(rerun(last, last, last))
    assert not result.change
    assert np.array_equal(result.model_labels, last)


def test_wrong_sizes_and_settings_are_one_sentence():
    labels = painted((1, (20, 20), 8))
    with pytest.raises(DataError, match="different sizes"):
        rerun(labels, labels, painted(size=30))
    with pytest.raises(SettingsError, match="clip_up_to"):
        MergeSettings(clip_up_to=0.9)


def test_undo_of_a_rerun_brings_back_table_and_model_and_redo_repeats_it():
    last = painted((1, (20, 20), 8), (2, (60, 60), 8))
    tracker = TrackedLabels("nuclei", last, rows(last), 0.5)
    before = tracker.objects.copy()
    new = painted((7, (22, 20), 8), (4, (20, 60), 6))
    material = Rerun(
        task="nuclei",
        last=tracker.model_labels,
        current=tracker.labels,
        new=new,
        objects=tracker.objects,
        new_objects=rows(new),
        pixel_size_um=0.5,
        first_new_id=tracker.next_id,
    )
    result = merge(material)
    tracker.adopt(result.change, result.objects, result.model_labels)
    merged = result.change.applied(last)
    assert np.array_equal(tracker.labels, merged)
    assert (tracker.objects["state"] == "unreviewed").all()
    assert not tracker.sync(merged)
    undone = tracker.sync(last, "Undid")
    assert set(undone.features) == {2}, "only cells that differ"
    pd.testing.assert_frame_equal(tracker.objects, before)
    assert np.array_equal(tracker.model_labels, last)
    tracker.sync(merged, "Redid")
    pd.testing.assert_frame_equal(tracker.objects, result.objects)
    assert tracker.next_id == 4


def test_finished_areas_stay_as_they_are_and_take_nothing_in() -> None:
    last = painted((1, (20, 20), 6), (2, (20, 60), 6), (3, (60, 20), 6))
    new = painted((1, (40, 20), 6), (2, (20, 60), 8), (3, (60, 60), 6), (4, (20, 20), 5), (5, (38, 42), 6))
    finished = np.zeros(last.shape, bool)
    finished[:, :40] = True
    result = merge(replace(rerun(last, last, new), finished=finished))
    merged = result.change.applied(last)
    assert np.array_equal(merged[finished], last[finished]), "objects and background of the area"
    assert {1, 3} <= set(ids_of(merged))
    assert merged[20, 60] == 2
    assert merged[60, 60] > 3, "outside of it the new result is taken"
    assert merged[38, 45] > 0, "what reaches into it by a little is cut at its edge"
    assert not len(result.conflicts), "there is nothing to decide in a finished area"
    assert result.counts.kept == 2
