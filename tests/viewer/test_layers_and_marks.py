"""The layer switch, the order of the review and the marks of its decisions, without a window."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from desk import Desk
from fake_jobs import FakeAnnotate, he_like
from napari_cerberus.annotation.review.queue import CRUMBS_UM2
from napari_cerberus.tasks import GLANDS, NUCLEI
from napari_cerberus.viewer.correct.layer_switch import SWITCH_KEYS
from napari_cerberus.viewer.correct.sight.camera import camera_of
from napari_cerberus.viewer.correct.sight.overlay import _ACCEPTED_COLOUR, _REJECTED_COLOUR, OVERLAY_LAYER


def drawn(desk: Desk, colour: str) -> int:
    """Strokes of a colour over the image."""
    if OVERLAY_LAYER not in desk.viewer.layers:
        return 0
    layer = desk.viewer.layers[OVERLAY_LAYER]
    wanted = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    long = np.abs(np.asarray(layer.data)[:, 1]).sum(axis=1) > 0
    return int(np.count_nonzero(np.isclose(np.asarray(layer.edge_color)[:, :3], wanted, atol=0.01).all(axis=1) & long))


@pytest.mark.parametrize("task", sorted(SWITCH_KEYS))
def test_a_number_goes_to_its_layer_and_shift_hides_it(make_desk: Callable[..., Desk], task: str) -> None:
    desk = make_desk()
    other = desk.choose("lumina" if task != "lumina" else "glands", 0)
    desk.press(other, SWITCH_KEYS[task])
    there = desk.layer(task)
    assert desk.viewer.layers.selection.active is there.layer
    desk.correct.corrections.keys[f"Shift-{SWITCH_KEYS[task]}"]()
    assert not there.layer.visible
    assert desk.viewer.layers.selection.active is there.layer
    desk.press(there, SWITCH_KEYS[task])
    assert there.layer.visible


def test_a_layer_that_is_not_there_is_a_sentence(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    one = desk.choose("nuclei", 1)
    desk.viewer.layers.remove(desk.layer("lumina").layer)
    desk.press(one, SWITCH_KEYS["lumina"])
    assert desk.said[-1] == ("There is no lumina layer here.", True)
    assert desk.viewer.layers.selection.active is one.layer


def test_glands_come_before_nuclei_and_crumbs_come_last(make_desk: Callable[..., Desk]) -> None:
    labels = {task: np.zeros((120, 120), np.int32) for task in ("nuclei", "glands")}
    labels["glands"][2:60, 2:60] = 1  # 841 µm²
    labels["glands"][100:104, 2:6] = 2  # a sliver
    labels["nuclei"][70:80, 2:12] = 1  # 25 µm²
    labels["nuclei"][70:73, 50:53] = 2  # a fragment
    desk = make_desk(annotate=FakeAnnotate(labels=labels), shape=(120, 120))
    desk.choose("nuclei", 0)
    queued = desk.correct.review.queued()
    assert list(zip(queued["task"], queued["index"], strict=True))[:2] == [(GLANDS, 1), (NUCLEI, 1)]
    crumbs = queued["area_um2"] < queued["task"].map(CRUMBS_UM2)
    assert crumbs.tolist() == [False, False, True, True]
    desk.correct.review.next()
    assert desk.correct.review.current == (GLANDS, 1)


def test_from_here_goes_to_the_nearest_as_the_user_chose(make_desk: Callable[..., Desk]) -> None:
    labels = {"glands": np.zeros((40, 400), np.int32)}
    for index, left in enumerate((2, 352, 52), start=1):
        labels["glands"][2:38, left : left + 40] = index
    desk = make_desk(annotate=FakeAnnotate(labels=labels), shape=(40, 400))
    review = desk.correct.review
    desk.choose("glands", 1)
    review.from_here = True
    review.next()
    assert review.current == (GLANDS, 3), "beside the first one, not after it"


def test_accepted_and_rejected_are_marked_as_such_and_undo_takes_the_mark(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    one = desk.choose("nuclei", 1)
    desk.press(one, "A")
    desk.choose("nuclei", 2)
    assert drawn(desk, _ACCEPTED_COLOUR) == 2, "a tick has two strokes"
    assert drawn(desk, _REJECTED_COLOUR) == 0
    desk.press(one, "R")
    desk.choose("nuclei", 0)
    assert (drawn(desk, _ACCEPTED_COLOUR), drawn(desk, _REJECTED_COLOUR)) == (2, 2)
    desk.correct.corrections.undo()
    desk.choose("nuclei", 0)
    assert (drawn(desk, _ACCEPTED_COLOUR), drawn(desk, _REJECTED_COLOUR)) == (2, 0)
    desk.choose("glands", 0)
    assert drawn(desk, _ACCEPTED_COLOUR) == 0, "marks are those of the layer one works in"


def test_delete_small_proposes_nothing_dangerous(make_desk: Callable[..., Desk]) -> None:
    labels = {"nuclei": np.zeros((400, 400), np.int32)}
    sizes = pd.Series(range(100)) // 40 + 2
    for index, size in enumerate(sizes, start=1):
        row, column = divmod(index - 1, 10)
        labels["nuclei"][row * 12 : row * 12 + size, column * 12 : column * 12 + size] = index
    desk = make_desk(annotate=FakeAnnotate(labels=labels), shape=(400, 400))
    desk.choose("nuclei", 0)
    proposed = desk.correct.tools.safe_small_um2()
    small, total = desk.correct.tools.count_small(proposed)
    assert total == 100
    assert small <= 0.02 * total


def test_an_image_that_is_chosen_comes_on_top_with_its_results_and_into_view(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    layers = desk.viewer.layers
    first = layers[0]
    desk.viewer.add_image(he_like(80, 90, seed=5), rgb=True, name="over it")
    first.visible = False
    camera_of(desk.viewer).center = (0.0, 9000.0, 9000.0)
    desk.controller.choose.show_image(str(first.unique_id))
    assert first.visible
    assert layers["over it"].visible
    assert layers[-1] is first or layers.index(first) > layers.index(layers["over it"])
    assert camera_of(desk.viewer).center[-1] < 9000
