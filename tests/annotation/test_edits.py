"""Single cases of the tools, and every mistake a user can make with them."""

from __future__ import annotations

import numpy as np
import pytest
from annotation_helpers import check_change
from skimage.draw import disk

from napari_cerberus.annotation import edits
from napari_cerberus.errors import EditError, SettingsError


def with_disks(*disks, shape=(64, 64), dtype=np.int32):
    labels = np.zeros(shape, dtype=dtype)
    for object_id, centre, radius in disks:
        labels[disk(centre, radius, shape=shape)] = object_id
    return labels


def whole_map(probabilities, labels):
    return edits.ProbabilityMap(
        probabilities=probabilities, top_px=0, left_px=0, bottom_px=labels.shape[0], right_px=labels.shape[1]
    )


def test_a_line_across_a_disk_makes_two_halves():
    labels = with_disks((5, (30, 30), 10))
    after = check_change(labels, edits.split_by_line(labels, [(0, 30), (63, 30)]), {5})
    sizes = [np.count_nonzero(after == i) for i in (5, 6)]
    assert min(sizes) > 0.4 * sum(sizes)
    assert (after[:, :30] != after[:, 31:61][:, ::-1]).any()


def test_a_line_cuts_all_the_objects_it_crosses_or_only_the_chosen_one():
    labels = with_disks((1, (12, 30), 8), (2, (40, 30), 8))
    line = [(-5, 30), (70, 30)]
    both = edits.split_by_line(labels, line)
    assert both.changed_ids == (1, 2)
    assert both.new_ids == (3, 4)
    assert both.summary == "Split 2 objects into 4"
    only = edits.split_by_line(labels, line, object_id=2)
    assert only.changed_ids == (2,)
    assert only.parents == {3: 2}


def test_a_jag_of_the_line_makes_no_part():
    labels = with_disks((1, (30, 30), 12))
    nick = [(0, 20), (20, 24), (17, 30), (0, 40)]  # only touches the rim
    with pytest.raises(EditError, match="does not cut object 1 through"):
        edits.split_by_line(labels, nick)


def test_an_uncut_part_of_an_object_in_two_parts_keeps_the_id():
    labels = with_disks((1, (15, 15), 8), (1, (45, 45), 8))
    change = edits.split_by_line(labels, [(15, 0), (15, 30)])
    after = change.applied(labels)
    assert len(change.new_ids) == 1
    assert (after[37:54, 37:54] == labels[37:54, 37:54]).all()


def test_a_line_of_any_length_costs_no_memory():
    labels = with_disks((1, (30, 30), 12))
    assert edits.split_by_line(labels, [(-1e15, 30), (1e15, 30)]).new_ids == (2,)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ([(0, 0), (0, 63)], "misses every object"),
        ([(30, 30), (30, 32)], "does not cut object 1 through"),
        ([(30, 30)], "at least 2 points"),
        ([(np.nan, 0), (3, 3)], "at least 2 points"),
        ("nonsense", "row and column pairs"),
        ([(500, 500), (900, 900)], "misses every object"),
    ],
)
def test_a_bad_line_is_one_sentence(line, message):
    with pytest.raises(EditError, match=message):
        edits.split_by_line(with_disks((1, (30, 30), 12)), line)


def test_a_line_that_misses_the_chosen_object_says_so():
    labels = with_disks((1, (12, 30), 8), (2, (40, 30), 8))
    with pytest.raises(EditError, match="misses object 2"):
        edits.split_by_line(labels, [(12, 0), (12, 63)], object_id=2)
    with pytest.raises(EditError, match="no object 9"):
        edits.split_by_line(labels, [(12, 0), (12, 63)], object_id=9)


def test_two_touching_disks_fall_apart_at_their_neck():
    labels = with_disks((4, (30, 22), 11), (4, (30, 40), 10))
    after = check_change(labels, edits.split_automatically(labels, 4), {4})
    assert after[30, 22] == 4
    assert after[30, 40] == 5


@pytest.mark.parametrize("radius", [3, 8, 20])
def test_a_disk_has_no_neck(radius):
    with pytest.raises(EditError, match="no neck"):
        edits.split_automatically(with_disks((1, (30, 30), radius)), 1)


def test_a_large_object_splits_like_a_small_one():
    labels = with_disks((1, (300, 220), 110), (1, (300, 400), 100), shape=(640, 640))
    after = check_change(labels, edits.split_automatically(labels, 1), {1})
    assert np.count_nonzero(after == 2) > 25_000


def test_an_object_without_necks_is_cut_into_equal_pieces_on_request():
    labels = np.zeros((20, 60), dtype=np.int32)
    labels[5:15, 5:55] = 1
    after = edits.split_automatically(labels, 1, parts=5).applied(labels)
    assert np.unique(after[after > 0], return_counts=True)[1].tolist() == [100] * 5


@pytest.mark.parametrize(("parts", "message"), [(1, "between 2"), (101, "between 2"), (90, "too small")])
def test_a_bad_number_of_parts_is_one_sentence(parts, message):
    with pytest.raises(EditError, match=message):
        edits.split_automatically(with_disks((1, (30, 30), 4)), 1, parts=parts)


def test_merging_closes_the_slit_between_two_halves():
    labels = np.zeros((20, 30), dtype=np.int32)
    labels[5:15, 3:14] = 8
    labels[5:15, 16:27] = 2
    after = check_change(labels, edits.merge_objects(labels, [8, 2]), {8, 2})
    assert (after[5:15, 3:27] == 8).all()


def test_merging_over_a_wide_gap_keeps_two_parts_under_one_id():
    labels = with_disks((1, (10, 10), 5), (2, (50, 50), 5))
    after = edits.merge_objects(labels, [2, 1]).applied(labels)
    assert np.array_equal(after == 2, labels > 0)


@pytest.mark.parametrize(
    ("ids", "message"), [([1], "two different"), ([1, 1], "two different"), ([1, 9], "no object 9")]
)
def test_a_bad_merge_is_one_sentence(ids, message):
    with pytest.raises(EditError, match=message):
        edits.merge_objects(with_disks((1, (30, 30), 4)), ids)


def test_closing_fills_a_notch_but_not_into_a_neighbour():
    labels = np.zeros((30, 30), dtype=np.int32)
    labels[5:25, 5:25] = 1
    labels[5:18, 14:16] = 0
    labels[5:9, 14:16] = 2
    after = check_change(labels, edits.close_object(labels, 1, 3), {1})
    assert (after[9:18, 14:16] == 1).all()
    assert (after[5:9, 14:16] == 2).all()


def test_an_object_inside_a_hole_stays_when_the_hole_is_filled():
    labels = with_disks((1, (30, 30), 20))
    labels[disk((30, 30), 10)] = 0
    labels[disk((30, 30), 4)] = 2
    after = check_change(labels, edits.fill_holes(labels, 1), {1})
    assert np.array_equal(after == 2, labels == 2)
    assert not (after[disk((30, 30), 20)] == 0).any()


def test_smoothing_removes_a_spike_and_keeps_an_edge_at_the_border_straight():
    labels = np.zeros((40, 40), dtype=np.int32)
    labels[0:20, 0:40] = 1
    labels[20:30, 18] = 1
    after = check_change(labels, edits.smooth(labels, 1), {1})
    assert (after[:20] == 1).all()
    assert not (after[23:] == 1).any()


def test_nothing_to_do_is_an_empty_change_set_that_says_so():
    labels = with_disks((1, (30, 30), 10))
    change = edits.fill_holes(labels, 1)
    assert not change
    assert change.summary == "Object 1 has no holes"
    assert not edits.delete_small(labels, below_um2=1, pixel_size_um=1)


@pytest.mark.parametrize("radius", [0, -1, 101, float("nan")])
def test_a_bad_radius_is_one_sentence(radius):
    with pytest.raises(EditError, match="between 0 and 100"):
        edits.smooth(with_disks((1, (30, 30), 10)), 1, radius)


def test_growing_does_not_jump_over_a_thin_neighbour():
    labels = np.zeros((9, 20), dtype=np.int32)
    labels[:, 3:6] = 1
    labels[:, 7] = 2
    after = edits.grow(labels, 1, 5).applied(labels)
    assert not (after[:, 8:] == 1).any()


def test_a_drawn_object_goes_round_or_over_others():
    labels = with_disks((1, (30, 30), 4))
    square = [(20, 20), (20, 40), (40, 40), (40, 20)]
    assert (edits.draw_object(labels, square).applied(labels) == 1).sum() == (labels == 1).sum()
    over = edits.draw_object(labels, square, over_others=True)
    assert over.removed_ids == (1,)
    check_change(labels, over, {1})


@pytest.mark.parametrize(
    ("outline", "message"),
    [
        ([(0, 0), (5, 5)], "at least 3"),
        ([(80, 80), (90, 80), (90, 90)], "no pixel of the image"),
        ([(28, 28), (28, 32), (32, 32), (32, 28)], "wholly on other objects"),
        ([(0, 0), (np.inf, 5), (5, 5)], "at least 3"),
    ],
)
def test_a_bad_outline_is_one_sentence(outline, message):
    with pytest.raises(EditError, match=message):
        edits.draw_object(with_disks((1, (30, 30), 10)), outline)


def faint_blob(peak=0.3):
    rows, cols = np.mgrid[:32, :32]
    bump = peak * np.exp(-((rows - 15) ** 2 + (cols - 15) ** 2) / 18)
    return np.stack([bump * 0.7, bump * 0.3]).astype(np.float16)


def test_a_click_finds_a_faint_object_on_the_coarser_model_grid():
    labels = np.zeros((64, 64), dtype=np.int32)
    change = edits.object_from_click(
        labels, (31, 32), whole_map(faint_blob(), labels), edits.ClickSettings(max_area_px=1000)
    )
    rows, cols = change.indices
    assert abs(rows.mean() - 30.5) < 0.6
    assert abs(cols.mean() - 30.5) < 0.6
    half_maximum_radius = 2 * np.sqrt(18 * np.log(2))
    assert np.isclose(rows.size, np.pi * half_maximum_radius**2, rtol=0.1)


def test_a_click_is_limited_in_size_and_by_neighbours():
    labels = with_disks((1, (31, 45), 8))
    small = edits.object_from_click(
        labels, (31, 31), whole_map(faint_blob(), labels), edits.ClickSettings(max_area_px=50)
    )
    check_change(labels, small, set())
    assert 0 < small.changed_px <= 50


def test_a_map_of_a_region_only_serves_that_region():
    labels = np.zeros((64, 64), dtype=np.int32)
    region = edits.ProbabilityMap(probabilities=faint_blob(), top_px=32, left_px=32, bottom_px=64, right_px=64)
    settings = edits.ClickSettings(max_area_px=500)
    rows, cols = edits.object_from_click(labels, (47, 47), region, settings).indices
    assert abs(rows.mean() - 47) < 0.6
    assert abs(cols.mean() - 47) < 0.6
    with pytest.raises(EditError, match="sees nothing here"):
        edits.object_from_click(labels, (15, 15), region, settings)


@pytest.mark.parametrize(
    ("point", "probabilities", "message"),
    [
        ((70, 3), faint_blob(), "outside the image"),
        ((30, 30), faint_blob(), "Object 1 is here already"),
        ((60, 60), faint_blob(), "sees nothing here"),
        ((2, 2), np.full((2, 8, 8), 0.4, np.float32), "no end within the size limit"),
    ],
)
def test_a_bad_click_is_one_sentence(point, probabilities, message):
    labels = with_disks((1, (30, 30), 4))
    with pytest.raises(EditError, match=message):
        edits.object_from_click(labels, point, whole_map(probabilities, labels), edits.ClickSettings(max_area_px=90))


def test_click_settings_follow_the_pixel_size_and_are_checked():
    assert edits.ClickSettings.for_task("nuclei", 0.5).max_area_px == 1600
    with pytest.raises(SettingsError):
        edits.ClickSettings(max_area_px=0)
    with pytest.raises(SettingsError):
        edits.ProbabilityMap(probabilities=np.zeros((3, 4, 4)), top_px=0, left_px=0, bottom_px=4, right_px=4)
    with pytest.raises(SettingsError):
        edits.ProbabilityMap(probabilities=np.zeros((2, 4, 4)), top_px=0, left_px=4, bottom_px=4, right_px=4)


def test_picking_by_click_and_lasso():
    labels = with_disks((3, (20, 20), 6), (4, (44, 44), 6))
    assert edits.object_at(labels, (20.4, 19.6)) == 3
    assert edits.object_at(labels, (1, 1)) == 0
    assert edits.objects_in(labels, [(10, 10), (10, 30), (30, 30), (30, 10)]) == (3,)
    assert edits.objects_in(labels, [(20, 20), (20, 30), (30, 30), (30, 20)]) == ()
    with pytest.raises(EditError, match="outside the image"):
        edits.object_at(labels, (-0.6, 0))


@pytest.mark.parametrize("tool", [edits.fill_holes, edits.smooth, edits.grow, edits.shrink, edits.renumber])
@pytest.mark.parametrize(
    ("labels", "object_id", "message"),
    [
        (np.zeros((5, 5), np.int32), 3, "no object 3"),
        (np.zeros((5, 5), np.int32), 0, "click on one"),
        (np.zeros((0, 5), np.int32), 3, "no object 3"),
        (np.zeros((5, 5, 5), np.int32), 3, "two-dimensional"),
        (np.zeros((5, 5), np.float32), 3, "whole-number"),
        ("labels", 3, "two-dimensional"),
    ],
)
def test_wrong_labels_or_ids_are_one_sentence(tool, labels, object_id, message):
    with pytest.raises(EditError, match=message):
        tool(labels, object_id)


def test_ids_stay_within_the_layers_number_type():
    labels = np.full((8, 8), 255, dtype=np.uint8)
    labels[0] = 0
    with pytest.raises(EditError, match="used up"):
        edits.draw_object(labels, [(-1, -1), (-1, 8), (1, 8), (1, -1)])
    assert edits.draw_object(labels, [(-1, -1), (-1, 8), (1, 8), (1, -1)], new_id=3).new_ids == (3,)
    with pytest.raises(EditError, match="already in use"):
        edits.draw_object(labels, [(-1, -1), (-1, 8), (1, 8), (1, -1)], new_id=255)


def test_an_id_of_a_deleted_object_does_not_come_back_when_the_caller_says_so():
    labels = with_disks((5, (30, 30), 10))
    assert edits.split_by_line(labels, [(0, 30), (63, 30)], new_id=90).new_ids == (90,)
    assert edits.split_automatically(labels, 5, parts=3, new_id=90).new_ids == (90, 91)


def test_huge_ids_cost_no_memory():
    labels = with_disks((2**31 - 5, (30, 30), 10), (7, (5, 5), 3))
    assert edits.small_objects(labels, below_um2=100, pixel_size_um=1) == (7,)
    assert edits.renumber(labels, 2**31 - 5, 8).new_ids == (8,)
    assert edits.difference(labels, np.zeros_like(labels), "Cleared").removed_ids == (7, 2**31 - 5)


@pytest.mark.parametrize("sizes", [{"below_um2": 0, "pixel_size_um": 1}, {"below_um2": 5, "pixel_size_um": -1}])
def test_a_bad_size_is_one_sentence(sizes):
    with pytest.raises(EditError, match="must be above 0"):
        edits.delete_small(with_disks((1, (30, 30), 4)), **sizes)


def test_deleting_nothing_or_a_missing_object_is_one_sentence():
    labels = with_disks((1, (30, 30), 4))
    with pytest.raises(EditError, match="Nothing to delete"):
        edits.delete_objects(labels, [])
    with pytest.raises(EditError, match="no object 2"):
        edits.delete_objects(labels, [1, 2])
    with pytest.raises(EditError, match="no object 2"):
        edits.delete_objects(labels, range(1, 20))


def test_clipping_needs_two_layers_of_one_image():
    with pytest.raises(EditError, match="different sizes"):
        edits.clip_lumina(np.zeros((5, 5), np.int32), np.zeros((5, 6), np.int32))
    with pytest.raises(EditError, match="cannot be compared"):
        edits.difference(np.zeros((5, 5), np.int32), np.zeros((5, 6), np.int32), "x")
