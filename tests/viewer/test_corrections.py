"""Corrections through napari's own undo: pixels, table, colours and review state stay in step, whoever changes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from desk import Desk
from fake_jobs import FakeAnnotate
from napari_cerberus.annotation.edits import delete_objects
from napari_cerberus.annotation.object_columns import ACCEPTED, EDITED, UNREVIEWED
from napari_cerberus.viewer.correct.tools import TOOLS, Needs

NAPARI_KEYS = {
    *"1234567EPFLZMXBV",
    *("-", "=", "[", "]", "Escape", "Enter", "Shift-V", "Control-Z", "Space", "Left", "Right", "Up", "Down"),
}


def test_no_key_is_one_of_naparis() -> None:
    ours = [tool.key for tool in TOOLS.values()]
    assert len(set(ours)) == len(ours)
    assert not {key.upper() if len(key) == 1 else key for key in ours} & NAPARI_KEYS


def test_one_correction_is_one_step_of_naparis_undo(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    one = desk.choose("glands", 1)
    before, table = np.array(one.layer.data), one.layer.features.copy()
    desk.correct.tools.use("shrink")
    assert desk.said[-1] == ("Shrank object 1 by 1 px.", False)
    assert (one.layer.data == 1).sum() < (before == 1).sum()
    assert desk.state(one, 1) == EDITED
    area = one.layer.features.set_index("index").loc[1, "area_um2"]
    assert area == (one.layer.data == 1).sum() * 0.25
    one.layer.undo()
    desk.correct.sync()
    np.testing.assert_array_equal(one.layer.data, before)
    assert desk.state(one, 1) == UNREVIEWED
    ours = one.layer.features[table.columns]
    assert ours.equals(table), "the table is exactly as it was"
    one.layer.redo()
    desk.correct.sync()
    assert desk.state(one, 1) == EDITED


def test_steps_with_and_without_pixels_are_taken_back_in_order(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    one = desk.choose("nuclei", 2)
    before = np.array(one.layer.data)
    classes = one.tracked.objects["class"].tolist()
    desk.correct.tools.use("grow")
    desk.correct.tools.number(4)
    assert one.tracked.objects["class"].tolist()[1] == "plasma"
    assert one.layer.colormap.color_dict[2].tolist() != one.layer.colormap.color_dict[1].tolist()
    desk.correct.review.accept()
    assert desk.state(one, 2) == ACCEPTED
    desk.press(one, "Ctrl+Z")
    assert desk.state(one, 2) == EDITED
    desk.press(one, "Ctrl+Z")
    assert one.tracked.objects["class"].tolist() == classes
    assert (one.layer.data != before).any()
    desk.press(one, "Ctrl+Z")
    np.testing.assert_array_equal(one.layer.data, before)
    desk.press(one, "Ctrl+Shift+Z")
    desk.press(one, "Ctrl+Shift+Z")
    assert one.tracked.objects["class"].tolist()[1] == "plasma"


def test_undo_gives_the_review_state_back_too(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    one = desk.choose("nuclei", 1)
    desk.session.reviewer = "Ada"
    desk.correct.review.accept()
    one.layer.brush_size = 1
    decided = one.tracked.objects.copy()
    desk.session.reviewer = "Bob"
    desk.choose("nuclei", 1)
    for change in (lambda: desk.correct.tools.use("grow"), lambda: one.layer.paint((1, 1), 0)):
        change()
        desk.correct.sync()
        assert one.tracked.objects["changed_by"].iloc[0] == "Bob"
        assert desk.state(one, 1) == EDITED
        edited = one.tracked.objects.copy()
        desk.press(one, "Ctrl+Z")
        assert one.tracked.objects.equals(decided)
        desk.press(one, "Ctrl+Shift+Z")
        assert one.tracked.objects.equals(edited)
        desk.press(one, "Ctrl+Z")


@pytest.mark.parametrize(
    "place", [{}, {"scale": (2.0, 2.0), "translate": (30, -7)}, {"rotate": 30.0}], ids=["plain", "moved", "rotated"]
)
def test_the_pointer_is_read_at_any_scale(make_desk: Callable[..., Desk], place: dict[str, Any]) -> None:
    desk = make_desk(**place)
    one = desk.choose("nuclei", 1)
    desk.viewer.mouse_over_canvas = True
    desk.viewer.cursor.position = tuple(one.layer.data_to_world((9, 9)))
    desk.press(one, TOOLS["delete"].key)
    assert desk.said[-1][0] == "Deleted object 1.", "the chosen object comes first"
    assert set(np.unique(one.layer.data)) == {0, 2}
    desk.press(one, TOOLS["delete"].key)
    assert not np.any(one.layer.data), "without a chosen one the object under the pointer is meant"


def test_other_hands_are_followed(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    one = desk.choose("glands", 1)
    one.layer.features = one.layer.features.assign(mine=["note"])
    one.layer.selected_label = 9
    one.layer.paint((20, 20), 9)
    desk.correct.sync()
    assert desk.state(one, 9) == EDITED
    assert one.layer.features["mine"].tolist()[0] == "note", "columns of others stay"
    one.layer.data[30:33, 30:33] = 12
    desk.correct.tools.use("delete")
    assert set(one.tracked.objects["index"]) == {1, 12}, "a script wrote without telling; 9 was chosen and deleted"


@pytest.mark.parametrize("what", ["resized", "removed", "locked", "none", "gone"])
def test_what_cannot_be_corrected_is_said_in_a_sentence(make_desk: Callable[..., Desk], what: str) -> None:
    desk = make_desk()
    one = desk.choose("glands", 1)
    words = {
        "resized": "another size",
        "removed": "Choose an object first",
        "locked": "is locked",
        "none": "Choose an object first",
        "gone": "Choose an object first",
    }[what]
    if what == "resized":
        one.layer.data = np.zeros((5, 5), np.int32)
    elif what == "removed":
        desk.viewer.layers.remove(one.layer)
    elif what == "locked":
        if not hasattr(one.layer, "locked"):
            pytest.skip("this napari has no locked layers")
        one.layer.locked = True
    else:
        desk.correct.corrections.choose(one, 0 if what == "none" else 77)
    desk.correct.tools.use("grow")
    problems = [sentence for sentence, problem in desk.said if problem]
    assert words in problems[0]


def test_a_hidden_layer_is_changed_by_no_key_but_can_be_written_to(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    one = desk.choose("glands", 1)
    one.layer.visible = False
    desk.press(one, TOOLS["delete"].key)
    assert "is hidden" in desk.said[-1][0]
    assert np.any(one.layer.data)
    desk.correct.corrections.apply(one, delete_objects(one.tracked.labels, [1]), "delete")
    assert not np.any(one.layer.data)
    assert not one.layer.visible
    one.layer.undo()
    assert np.any(one.layer.data)


def test_lumina_are_clipped_to_the_glands_beside_them(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    lumina, glands = desk.layer("lumina"), desk.choose("glands", 1)
    desk.correct.tools.use("clip")
    assert "Clipping works on a lumen layer" in desk.said[-1][0]
    glands.layer.data_setitem((np.array([5]), np.array([5])), 0)
    desk.choose("lumina", 1)
    desk.correct.tools.use("clip")
    assert desk.said[-1][0] == "Cut 1 lumen to the glands."
    assert lumina.layer.data[5, 5] == 0


def test_small_objects_are_counted_before_they_are_deleted(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    one = desk.choose("nuclei", 0)
    assert desk.correct.tools.count_small(1.0) == (0, 2)
    assert desk.correct.tools.count_small(1.5) == (2, 2)
    desk.correct.tools.delete_small(1.5)
    assert not np.any(one.layer.data)


def test_a_click_grows_on_what_the_model_saw(make_desk: Callable[..., Desk]) -> None:
    seen = np.zeros((2, 40, 56), np.float16)
    seen[0, 20:24, 30:34] = 0.4
    desk = make_desk(annotate=FakeAnnotate(probabilities={"nuclei": seen}))
    one = desk.choose("nuclei", 0)
    click = TOOLS["click"].on_points
    assert click is not None
    desk.correct.tools.run(lambda layer: click(layer, [(21.0, 31.0)]), "click")
    assert (one.layer.data == 3).sum() == 16
    desk.choose("glands", 0)
    desk.correct.tools.run(lambda layer: click(layer, [(21.0, 31.0)]), "click")
    assert "click Annotate first" in desk.said[-1][0]


def test_a_tool_that_draws_takes_the_brush_away(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    one = desk.choose("glands", 1)
    for mode in ("paint", "erase", "fill", "polygon", "pick"):
        one.layer.mode = mode
        desk.correct.tools.use("cut")
        assert one.layer.mode == "pan_zoom"
        assert not one.layer.mouse_pan
        assert desk.correct.tools.pointer.armed is TOOLS["cut"]
        desk.correct.tools.use("cut")
        assert one.layer.mouse_pan
    desk.correct.tools.use("outline")
    one.layer.mode = "paint"
    assert desk.correct.tools.pointer.armed is None
    desk.correct.tools.use("outline")
    desk.viewer.layers.remove(one.layer)
    assert desk.correct.tools.pointer.armed is None
    assert all(tool.hint for tool in TOOLS.values() if tool.needs is not Needs.OBJECT)


def test_the_queue_goes_from_object_to_object(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    review = desk.correct.review
    desk.qtbot.waitUntil(lambda: len(review.queued()) == 4 and "rules" in review.queued(), timeout=60_000)
    review.next()
    seen = []
    for _ in range(4):
        one = desk.correct.corrections.active
        assert one is not None
        assert review.current == (one.task, one.selected)
        assert review.reason()
        seen.append(review.current)
        review.accept()
    assert len(set(seen)) == 4
    assert str(review.counted()) == "4 of 4 reviewed"
    review.next()
    assert desk.said[-1][0] == "Everything in this list is reviewed."


def test_a_rerun_keeps_what_was_corrected_after_the_users_word(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    one = desk.choose("glands", 1)
    desk.correct.tools.use("shrink")
    edited = np.array(one.layer.data)
    desk.annotate()
    offer = desk.correct.rerun.offer
    assert offer is not None
    assert any("1 of yours stay" in line for line in offer.lines)
    names = [layer.name for layer in desk.viewer.layers]
    desk.correct.rerun.accept()
    assert [layer.name for layer in desk.viewer.layers] == names, "no new layer"
    np.testing.assert_array_equal(one.layer.data, edited)
    assert desk.state(one, 1) == EDITED
    assert desk.correct.rerun.offer is None


def test_close_lets_go_of_every_layer(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    layers = [one.layer for one in desk.correct.corrections]
    desk.controller.close()
    for layer in layers:
        assert not layer.mouse_drag_callbacks
        assert not layer.keymap
    assert "Cerberus marks" not in [layer.name for layer in desk.viewer.layers]
