"""The table follows the pixels: geometry, state, class, and what an undo brings back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from annotation_helpers import ids_of, label_maps, random_labels
from hypothesis import given
from hypothesis import strategies as st
from skimage.measure import regionprops

from napari_cerberus.annotation import edits, object_columns, object_table
from napari_cerberus.annotation.tracking import TrackedLabels
from napari_cerberus.errors import DataError, EditError

GEOMETRY = list(object_columns.GEOMETRY)


def rows_for(labels, task="nuclei", pixel_size_um=0.5, **columns):
    return object_table.new_rows(task, object_table.measure(labels, pixel_size_um), confidence=0.8, **columns)


def tracked(labels, **columns):
    return TrackedLabels("nuclei", labels, rows_for(labels, **columns), 0.5)


@given(labels=label_maps(), pixel=st.floats(0.1, 2), few=st.booleans())
def test_geometry_is_that_of_regionprops(labels, pixel, few):
    measured = object_table.measure(labels, pixel, ids_of(labels) if few else None)
    expected = regionprops(labels.astype(np.int32))
    assert measured["index"].tolist() == [r.label for r in expected]
    assert np.allclose(measured["area_um2"], [r.area * pixel**2 for r in expected])
    assert np.allclose(
        measured[["centroid_y_px", "centroid_x_px"]].to_numpy().ravel(),
        [v for r in expected for v in r.centroid],
    )
    assert measured[["y0_px", "x0_px", "y1_px", "x1_px"]].to_numpy().tolist() == [list(r.bbox) for r in expected]


def test_few_and_many_chosen_ids_are_measured_alike():
    labels = np.arange(1, 101, dtype=np.int32).reshape(10, 10)
    few = object_table.measure(labels, 1.0, [3, 7, 500])
    many = object_table.measure(labels, 1.0, range(1, 60))
    pd.testing.assert_frame_equal(few, many[many["index"].isin([3, 7])].reset_index(drop=True))


@given(seed=st.integers(0, 10_000), count=st.integers(1, 6))
def test_the_table_always_describes_the_labels(seed, count):
    rng = np.random.default_rng(seed)
    labels = random_labels(seed, 40, 40, 8)
    tracker = tracked(labels)
    layer = labels.copy()
    for _ in range(count):
        ids = sorted(ids_of(layer))
        if not ids:
            break
        chosen = int(rng.choice(ids))
        tool = rng.choice(["delete", "grow", "split", "draw", "merge", "brush"])
        try:
            if tool == "delete":
                change = edits.delete_objects(layer, [chosen])
            elif tool == "grow":
                change = edits.grow(layer, chosen)
            elif tool == "split":
                change = edits.split_automatically(layer, chosen, parts=2, new_id=tracker.next_id)
            elif tool == "merge":
                change = edits.merge_objects(layer, rng.permutation(ids)[:2].tolist())
            elif tool == "draw":
                change = edits.draw_object(layer, rng.uniform(0, 40, (4, 2)), over_others=True, new_id=tracker.next_id)
            else:
                painted = layer.copy()
                painted[tuple(slice(v, v + 9) for v in rng.integers(0, 35, 2))] = rng.choice([0, chosen])
                change = tracker.sync(painted)
                layer = painted
                continue
        except EditError:
            continue
        layer = change.applied(layer)
        tracker.apply(change, by="Ada")
    assert np.array_equal(tracker.labels, layer)
    assert not tracker.sync(layer)
    pd.testing.assert_frame_equal(
        tracker.objects[["index", *GEOMETRY]], object_table.measure(layer, 0.5), check_exact=False
    )
    assert dict(tracker.objects.dtypes.astype(str)) == dict(rows_for(labels).dtypes.astype(str))


def test_a_correction_says_who_and_when_and_children_inherit_the_class():
    labels = np.zeros((30, 30), dtype=np.int32)
    labels[5:25, 5:25] = 4
    tracker = tracked(labels, **{"class": "lymphocyte"})
    change = edits.split_by_line(labels, [(0, 14), (30, 14)], new_id=tracker.next_id)
    done = tracker.apply(change, by="Ada", at="2026-11-23T10:00:00Z")
    rows = tracker.objects.set_index("index")
    assert rows["state"].tolist() == ["edited", "edited"]
    assert rows["class"].tolist() == ["lymphocyte", "lymphocyte"]
    assert rows["changed_by"].tolist() == ["Ada", "Ada"]
    assert np.isnan(rows.loc[5, "confidence"])
    assert done.features[5]["class"] == "lymphocyte"
    assert done.previous_features[4]["state"] == "unreviewed"


def test_undo_brings_back_rows_states_and_classes():
    labels = random_labels(3, 40, 40, 6)
    tracker = tracked(labels)
    tracker.apply(object_table.change_class(tracker.objects, [sorted(ids_of(labels))[0]], "plasma", by="Ada"))
    before = tracker.objects.copy()
    removed = sorted(ids_of(labels))[:2]
    tracker.apply(edits.delete_objects(labels, removed))
    grown = edits.grow(tracker.labels, sorted(ids_of(labels))[3])
    tracker.apply(grown)
    change = tracker.sync(labels, "Undid")
    assert set(change.new_ids) == set(removed)
    undone = tracker.objects
    stamps = ["changed_by", "changed_at"]
    pd.testing.assert_frame_equal(undone.drop(columns=stamps), before.drop(columns=stamps))
    assert change.features[removed[0]]["class"] == "plasma"


def test_ids_of_deleted_objects_are_not_used_again():
    labels = random_labels(5, 40, 40, 6)
    tracker = tracked(labels)
    top = max(ids_of(labels))
    change = edits.draw_object(labels, [(0, 0), (0, 9), (9, 9)], over_others=True, new_id=tracker.next_id)
    tracker.apply(change)
    tracker.apply(edits.delete_objects(tracker.labels, [top + 1]))
    assert tracker.next_id == top + 2


def test_marking_changes_cells_only_and_can_be_undone():
    labels = random_labels(5, 40, 40, 6)
    tracker = tracked(labels)
    ids = sorted(ids_of(labels))[:3]
    change = object_table.mark(tracker.objects, ids, "accepted", by="Ada")
    assert change
    assert change.changed_px == 0
    tracker.apply(change)
    assert (tracker.objects["state"] == "accepted").sum() == 3
    tracker.apply(change.inverse())
    assert (tracker.objects["state"] == "unreviewed").all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda rows: object_table.mark(rows, [1], "fine"), "not a review state"),
        (lambda rows: object_table.mark(rows, [], "accepted"), "Choose an object"),
        (lambda rows: object_table.mark(rows, [999], "accepted"), "no object 999"),
        (lambda rows: object_table.change_class(rows, [1], "  "), "needs a name"),
    ],
)
def test_a_bad_mark_is_one_sentence(call, message):
    with pytest.raises(EditError, match=message):
        call(rows_for(np.ones((4, 4), np.int32)))


def test_a_layer_of_another_size_is_one_sentence():
    tracker = tracked(np.ones((4, 4), np.int32))
    with pytest.raises(EditError, match="another size"):
        tracker.sync(np.ones((4, 5), np.int32))
    with pytest.raises(DataError, match="different sizes"):
        TrackedLabels("nuclei", tracker.labels, tracker.objects, 0.5, model_labels=np.ones((3, 3), np.int32))


def test_a_table_without_a_column_or_of_wrong_types_is_one_sentence():
    rows = rows_for(np.ones((4, 4), np.int32))
    with pytest.raises(DataError, match="no column 'area_um2'"):
        object_columns.with_review(rows.drop(columns="area_um2"))
    with pytest.raises(DataError, match="wrong type"):
        object_columns.with_review(rows.assign(area_um2="large"))
    assert object_columns.with_review(rows.drop(columns="state"))["state"].tolist() == ["unreviewed"]


def test_taking_back_a_complete_change_set_restores_the_table_and_forgets_nothing():
    labels = random_labels(3, 40, 40, 6)
    tracker = tracked(labels)
    before = tracker.objects.copy()
    chosen = sorted(ids_of(labels))[0]
    done = tracker.apply(edits.grow(labels, chosen), by="Ada")
    tracker.apply(done.inverse())
    pd.testing.assert_frame_equal(tracker.objects, before)
    tracker.apply(edits.grow(labels, chosen), by="Ada")
    tracker.sync(labels, "Undid")
    assert (tracker.objects["state"] == "unreviewed").all(), "the class never changed, so this is the model's again"
