"""What holds for every tool on any label map: other objects stay, ids are unique, the inverse restores exactly."""

from __future__ import annotations

import numpy as np
import pytest
from annotation_helpers import check_change, ids_of, label_maps
from hypothesis import assume, event, given
from hypothesis import strategies as st
from scipy import ndimage

from napari_cerberus.annotation import edits
from napari_cerberus.errors import EditError

SHAPE_TOOLS = [edits.fill_holes, edits.smooth, edits.close_object, edits.grow]
points = st.tuples(st.floats(-60, 100), st.floats(-60, 100))


@st.composite
def crossing_lines(draw, labels):
    """Polylines that begin on one side of a pixel of an object and end on the other."""
    at = np.argwhere(labels > 0)
    middle = at[draw(st.integers(0, len(at) - 1))]
    angle, length = draw(st.floats(0, np.pi)), draw(st.floats(8, 60))
    step = length * np.array([np.sin(angle), np.cos(angle)])
    return [middle - step, middle + draw(st.tuples(st.floats(-3, 3), st.floats(-3, 3))), middle + step]


def parts(mask):
    return ndimage.label(mask, structure=np.ones((3, 3)))[1]


@pytest.mark.parametrize("tool", SHAPE_TOOLS, ids=lambda tool: tool.__name__)
@given(labels=label_maps(1), choice=st.integers(0, 100))
def test_a_shape_tool_changes_only_its_object(tool, labels, choice):
    object_id = sorted(ids_of(labels))[choice % len(ids_of(labels))]
    change = tool(labels, object_id)
    after = check_change(labels, change, {object_id})
    assert (after == object_id).any()
    if tool is not edits.smooth:
        assert (after == object_id)[labels == object_id].all(), "it only adds"


@given(labels=label_maps(1), choice=st.integers(0, 100))
def test_filled_objects_have_no_background_hole(labels, choice):
    object_id = sorted(ids_of(labels))[choice % len(ids_of(labels))]
    after = edits.fill_holes(labels, object_id).applied(labels)
    mask = after == object_id
    holes = ndimage.binary_fill_holes(mask) & ~mask
    assert not (holes & (after == 0)).any()


@given(labels=label_maps(1), choice=st.integers(0, 100), by_px=st.integers(1, 3))
def test_shrinking_takes_the_outline_or_refuses(labels, choice, by_px):
    object_id = sorted(ids_of(labels))[choice % len(ids_of(labels))]
    mask = np.pad(labels == object_id, 1, mode="edge")
    expected = ndimage.binary_erosion(mask, iterations=by_px, border_value=1)[1:-1, 1:-1]
    if not expected.any():
        with pytest.raises(EditError, match="would vanish"):
            edits.shrink(labels, object_id, by_px)
        return
    after = check_change(labels, edits.shrink(labels, object_id, by_px), {object_id})
    assert np.array_equal(after == object_id, expected)


@given(labels=label_maps(1), choice=st.integers(0, 100))
def test_growing_by_one_takes_every_free_neighbour(labels, choice):
    object_id = sorted(ids_of(labels))[choice % len(ids_of(labels))]
    after = edits.grow(labels, object_id).applied(labels)
    mask = labels == object_id
    assert np.array_equal(after == object_id, mask | (ndimage.binary_dilation(mask) & (labels == 0)))


@given(data=st.data(), labels=label_maps(1))
def test_a_line_splits_only_what_it_crosses_and_loses_no_pixel(data, labels):
    line = data.draw(crossing_lines(labels))
    try:
        change = edits.split_by_line(labels, line)
    except EditError as error:
        event(str(error).split(";")[0].rstrip("0123456789 "))
        return
    event("split")
    after = check_change(labels, change, set(change.changed_ids))
    assert np.array_equal(after > 0, labels > 0)
    assert not change.removed_ids
    for parent in change.changed_ids:
        family = {parent, *(new for new, old in change.parents.items() if old == parent)}
        assert np.array_equal(np.isin(after, list(family)), labels == parent)
        assert sum(parts(after == i) for i in family) > 1
    for new in change.new_ids:
        assert parts(after == new) == 1
    assert set(change.parents) == set(change.new_ids)


@given(labels=label_maps(1), choice=st.integers(0, 100), count=st.integers(2, 6))
def test_an_automatic_split_gives_the_number_asked_for(labels, choice, count):
    object_id = sorted(ids_of(labels))[choice % len(ids_of(labels))]
    if np.count_nonzero(labels == object_id) < 4 * count:
        with pytest.raises(EditError, match="too small"):
            edits.split_automatically(labels, object_id, parts=count)
        return
    change = edits.split_automatically(labels, object_id, parts=count)
    after = check_change(labels, change, {object_id})
    assert len(change.new_ids) == count - 1
    sizes = [np.count_nonzero(after == i) for i in (object_id, *change.new_ids)]
    assert sizes[0] == max(sizes)
    assert sum(sizes) == np.count_nonzero(labels == object_id)


@given(labels=label_maps(1), choice=st.integers(0, 100))
def test_an_automatic_split_without_a_number_splits_or_says_why(labels, choice):
    object_id = sorted(ids_of(labels))[choice % len(ids_of(labels))]
    try:
        change = edits.split_automatically(labels, object_id)
    except EditError:
        assert parts(labels == object_id) == 1
        return
    after = check_change(labels, change, {object_id})
    assert np.array_equal(after > 0, labels > 0)


@given(labels=label_maps(2), seed=st.integers(0, 1000), bridge_px=st.integers(0, 4))
def test_merging_keeps_every_pixel_and_touches_no_third_object(labels, seed, bridge_px):
    ids = sorted(ids_of(labels))
    assume(len(ids) >= 2)
    chosen = np.random.default_rng(seed).permutation(ids)[: 2 + seed % 2].tolist()
    change = edits.merge_objects(labels, chosen, bridge_px=bridge_px)
    after = check_change(labels, change, set(chosen))
    merged = after == chosen[0]
    assert merged[np.isin(labels, chosen)].all()
    assert set(change.removed_ids) == set(chosen[1:])
    added = merged & (labels == 0)
    assert bridge_px or not added.any()


@given(labels=label_maps(), line=st.lists(points, min_size=2, max_size=5))
def test_any_line_splits_or_says_why_not(labels, line):
    try:
        change = edits.split_by_line(labels, line)
    except EditError:
        return
    check_change(labels, change, set(change.changed_ids))


@given(labels=label_maps(), outline=st.lists(points, min_size=3, max_size=6), over=st.booleans())
def test_a_drawn_object_is_new_and_stays_off_others_unless_asked(labels, outline, over):
    try:
        change = edits.draw_object(labels, outline, over_others=over)
    except EditError:
        return
    event("drawn")
    after = check_change(labels, change, ids_of(labels) if over else set())
    (new,) = change.new_ids
    assert new not in ids_of(labels)
    assert (after == new).any()


@given(labels=label_maps(), seed=st.integers(0, 2**31), y=st.integers(0, 39), x=st.integers(0, 39))
def test_a_click_makes_one_connected_object_round_the_seed(labels, seed, y, x):
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.random((2, 23, 31)), (0, 2, 2))
    probability = edits.ProbabilityMap(
        probabilities=(noise / noise.max() / 2).astype(np.float16),
        top_px=0,
        left_px=0,
        bottom_px=labels.shape[0],
        right_px=labels.shape[1],
    )
    settings = edits.ClickSettings(max_area_px=150)
    try:
        change = edits.object_from_click(labels, (y, x), probability, settings)
    except EditError:
        return
    event("grew")
    after = check_change(labels, change, set())
    grown = after == change.new_ids[0]
    assert parts(grown) == 1
    assert np.count_nonzero(grown) <= 150
    near = ndimage.binary_dilation(grown, structure=np.ones((3, 3)))
    assert near[y, x]


@given(labels=label_maps(1), seed=st.integers(0, 1000))
def test_deleting_removes_exactly_the_chosen(labels, seed):
    ids = sorted(ids_of(labels))
    chosen = set(np.random.default_rng(seed).permutation(ids)[: 1 + seed % len(ids)].tolist())
    after = check_change(labels, edits.delete_objects(labels, chosen), chosen)
    assert ids_of(after) == set(ids) - chosen


@given(labels=label_maps(), below=st.floats(0.1, 60), pixel=st.floats(0.2, 2))
def test_delete_small_does_what_its_preview_says(labels, below, pixel):
    small = {i for i in ids_of(labels) if np.count_nonzero(labels == i) * pixel**2 < below}
    assert set(edits.small_objects(labels, below_um2=below, pixel_size_um=pixel)) == small
    change = edits.delete_small(labels, below_um2=below, pixel_size_um=pixel)
    check_change(labels, change, small)
    assert set(change.removed_ids) == small


@given(lumina=label_maps(), seed=st.integers(0, 100), some=st.booleans())
def test_clipped_lumina_lie_in_glands(lumina, seed, some):
    glands = np.zeros_like(lumina)
    glands[np.random.default_rng(seed).random(lumina.shape) < 0.6] = 3
    chosen = sorted(ids_of(lumina))[:2] if some else None
    change = edits.clip_lumina(lumina, glands, chosen)
    targets = set(chosen) if chosen is not None else ids_of(lumina)
    after = check_change(lumina, change, targets)
    assert not (np.isin(after, list(targets)) & (glands == 0)).any()
    assert np.array_equal(after[glands > 0], lumina[glands > 0])


@given(labels=label_maps(1), choice=st.integers(0, 100))
def test_renumbering_keeps_the_pixels(labels, choice):
    object_id = sorted(ids_of(labels))[choice % len(ids_of(labels))]
    change = edits.renumber(labels, object_id)
    after = check_change(labels, change, {object_id})
    assert np.array_equal(after == change.new_ids[0], labels == object_id)


@given(before=label_maps(), seed=st.integers(0, 1000))
def test_difference_turns_any_map_into_any_other(before, seed):
    rng = np.random.default_rng(seed)
    after = before.copy()
    after[rng.random(before.shape) < 0.3] = rng.integers(0, 120)
    after = np.where(rng.random(before.shape) < 0.9, after, np.roll(after, 1)).astype(before.dtype)
    change = edits.difference(before, after, "Changed")
    assert np.array_equal(check_change(before, change, ids_of(before)), after)


@given(labels=label_maps(1))
def test_using_a_tool_on_all_objects_is_one_change_set(labels):
    change = edits.for_each(labels, sorted(ids_of(labels)), edits.smooth, "Smoothed")
    check_change(labels, change, ids_of(labels))
    assert ids_of(change.applied(labels)) == ids_of(labels)
