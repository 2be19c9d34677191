"""Learn from this image: what is asked, what becomes of the answer, and every way in which it can be in the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from desk import Desk
from fake_jobs import FakeAnnotate, FakeLearn, he_like
from napari_cerberus.viewer.adapt.learn_orders import NOTHING_FINISHED
from napari_cerberus.viewer.placement import Box
from napari_cerberus.viewer.session import JobState

CORNER = Box(y0=0, x0=0, y1=20, x1=20)
WAIT_MS = 20_000


def better() -> dict[str, np.ndarray]:
    """What the taught model finds: another gland in the corner, and one that nobody saw before."""
    glands = np.zeros((40, 56), np.int32)
    glands[4:15, 4:15], glands[25:35, 30:50] = 1, 2
    return {"glands": glands}


class Taught:
    """A desk with a finished corner and a model that can learn."""

    def __init__(self, make_desk: Callable[..., Desk], **fake: Any) -> None:
        self.fake = FakeLearn(**{"labels": better(), **fake})
        self.desk = make_desk(learn_jobs=self.fake.jobs)
        self.learning, self.finishing = self.desk.controller.learning, self.desk.controller.finishing
        self.glands = self.desk.layer("glands")
        self.desk.viewer.layers.selection.active = self.glands.layer

    def wait(self, state: JobState) -> None:
        self.desk.qtbot.waitUntil(lambda: self.learning.status.state is state, timeout=WAIT_MS)

    def learn(self) -> None:
        self.learning.learn()
        self.wait(JobState.RETURNED)


@pytest.fixture
def taught(make_desk: Callable[..., Desk]) -> Taught:
    made = Taught(make_desk)
    made.finishing.finish(CORNER)
    return made


def test_it_takes_the_rest_and_one_undo_takes_it_all_back(taught: Taught) -> None:
    layer, before = taught.glands.layer, np.array(taught.glands.layer.data)
    nuclei = np.array(taught.desk.layer("nuclei").layer.data)
    taught.learn()
    assert np.array_equal(layer.data[:20, :20], before[:20, :20]), "the finished corner"
    assert layer.data[30, 40]
    assert np.array_equal(taught.desk.layer("nuclei").layer.data, nuclei), "nobody finished nuclei"
    assert taught.glands.record.model_name == "starter, taught in this image"
    assert taught.learning.status.message.startswith(
        "Better where it was checked. Outside: 1 found anew, 1 of yours stay."
    )
    assert taught.learning.adapted is not None
    taught.desk.correct.corrections.undo()
    assert np.array_equal(layer.data, before)
    assert taught.glands.record.model_name == "starter"
    assert taught.learning.adapted is None, "the next round begins anew"
    assert taught.finishing.areas(), "what the user finished stays finished"
    taught.desk.correct.corrections.redo()
    assert layer.data[30, 40]
    assert taught.learning.adapted is not None


def test_edits_and_decisions_outside_of_the_area_stay(taught: Taught) -> None:
    layer = taught.glands.layer
    layer.data_setitem((np.array([30, 30]), np.array([40, 41])), np.array([9, 9]))
    taught.learn()
    assert layer.data[30, 40] == 9
    assert (layer.data == 9).sum() == 2


def test_the_order_is_a_copy_of_what_is_finished(taught: Taught) -> None:
    taught.desk.controller.look_up_models()
    taught.desk.qtbot.waitUntil(lambda: bool(taught.desk.session.models), timeout=WAIT_MS)
    taught.desk.session.model_name = "other"
    taught.learn()
    order = taught.fake.orders[-1]
    (lesson,) = order.lessons
    assert lesson.areas == taught.finishing.areas()
    assert lesson.tasks == ("glands",)
    assert lesson.read().shape == (40, 56, 3)
    assert lesson.labels["glands"] is not taught.glands.tracked.labels
    assert (order.model_name, order.earlier) == ("starter", None)


def test_a_squeezed_image_teaches_in_its_true_shape(taught: Taught) -> None:
    desk = taught.desk
    desk.viewer.add_image(he_like(40, 56, seed=9), rgb=True, name="wide", scale=(0.5, 0.7), units=("um", "um"))
    desk.controller.choose.image(str(desk.viewer.layers["wide"].unique_id))
    desk.annotate()
    desk.viewer.layers.selection.active = desk.viewer.layers["wide glands"]
    taught.finishing.finish(CORNER)
    taught.learn()
    assert taught.fake.orders[-1].lessons[0].pixel_size.yx_um == pytest.approx((0.5, 0.7))


def test_a_second_round_goes_on_from_the_first(taught: Taught) -> None:
    taught.learn()
    taught.finishing.finish(Box(y0=20, x0=0, y1=40, x1=56))
    taught.learn()
    assert taught.fake.orders[1].earlier.rounds == (1,)
    assert taught.learning.adapted.rounds == (1, 2)


def test_nothing_gained_changes_nothing_and_says_so(make_desk: Callable[..., Desk]) -> None:
    taught = Taught(make_desk, labels=None)
    taught.finishing.finish(CORNER)
    before = np.array(taught.glands.layer.data)
    taught.learn()
    assert taught.learning.status.message == "Nothing was changed."
    assert np.array_equal(taught.glands.layer.data, before)
    assert taught.learning.adapted is None


def test_without_a_finished_area_it_says_what_to_do(make_desk: Callable[..., Desk]) -> None:
    taught = Taught(make_desk)
    taught.learning.learn()
    assert taught.learning.status.message == NOTHING_FINISHED


@pytest.mark.parametrize(("seconds", "wanted", "learns"), [(5.0, True, True), (30.0, True, False), (5.0, False, False)])
def test_it_learns_by_itself_where_that_is_short(
    make_desk: Callable[..., Desk], seconds: float, wanted: bool, learns: bool
) -> None:
    taught = Taught(make_desk, seconds=seconds)
    taught.learning.by_itself = wanted
    taught.finishing.finish(CORNER)
    told = taught.fake.orders if learns else [1]  # once it learns, the time is told anew
    taught.desk.qtbot.waitUntil(lambda: bool(told) and (learns or taught.learning.seconds == seconds), timeout=WAIT_MS)
    taught.desk.qtbot.wait(200)
    assert bool(taught.fake.orders) is learns


def test_a_cancel_in_the_middle_leaves_everything(make_desk: Callable[..., Desk]) -> None:
    taught = Taught(make_desk, gated=True)
    taught.finishing.finish(CORNER)
    before = np.array(taught.glands.layer.data)
    taught.learning.learn()
    taught.desk.qtbot.waitUntil(taught.fake.stepped.is_set, timeout=WAIT_MS)
    taught.learning.cancel()
    taught.fake.gate.set()
    taught.wait(JobState.CANCELLED)
    assert taught.fake.closed.is_set()
    assert np.array_equal(taught.glands.layer.data, before)
    assert taught.learning.status.message
    other = taught.desk.viewer.add_image(he_like(40, 56, seed=9), rgb=True, name="other")
    taught.desk.controller.choose.image(str(other.unique_id))
    assert not taught.learning.status.message, "how it ended says nothing of another image"


@pytest.mark.parametrize(
    "way", ["layer removed", "layer replaced", "image changed", "image removed", "edited", "area reopened"]
)
def test_what_happens_meanwhile(make_desk: Callable[..., Desk], way: str) -> None:
    taught = Taught(make_desk, gated=True)
    taught.finishing.finish(CORNER)
    desk, layer = taught.desk, taught.glands.layer
    taught.learning.learn()
    desk.qtbot.waitUntil(taught.fake.stepped.is_set, timeout=WAIT_MS)
    if way == "layer removed":
        desk.viewer.layers.remove(layer)
    elif way == "layer replaced":
        desk.viewer.layers.remove(layer)
        layer = desk.viewer.add_labels(np.ones((40, 56), np.int32), name=layer.name)
    elif way == "image changed":
        desk.viewer.layers["tile"].data = he_like(40, 56, seed=5)
    elif way == "image removed":
        desk.viewer.layers.remove(desk.viewer.layers["tile"])
    elif way == "edited":
        layer.data_setitem((np.array([28]), np.array([44])), np.array([7]))
    else:
        taught.finishing.reopen()
    before = np.array(layer.data)
    taught.fake.gate.set()
    desk.qtbot.waitUntil(lambda: not taught.learning.busy, timeout=WAIT_MS)
    if way in ("edited", "area reopened"):
        assert taught.learning.status.state is JobState.RETURNED
        assert layer.data[30, 40]
        assert layer.data[28, 44] == (7 if way == "edited" else layer.data[28, 43])
        assert bool(layer.data[3, 3]) is (way == "edited"), "what was reopened is anybody's"
    else:
        assert taught.learning.status.state is JobState.FAILED
        assert "nothing was" in taught.learning.status.message
        assert np.array_equal(layer.data, before)


@pytest.mark.parametrize("meanwhile", [False, True])
def test_pixels_put_in_by_a_script_stay_in_the_area_and_are_merged_like_an_edit(
    make_desk: Callable[..., Desk], meanwhile: bool
) -> None:
    taught = Taught(make_desk, gated=meanwhile)
    taught.finishing.finish(CORNER)
    layer = taught.glands.layer
    other = np.zeros((40, 56), np.int32)
    other[2:9, 2:9], other[35:39, 2:9] = 11, 12
    if meanwhile:
        taught.learning.learn()
        taught.desk.qtbot.waitUntil(taught.fake.stepped.is_set, timeout=WAIT_MS)
        layer.data = other.copy()
        taught.fake.gate.set()
        taught.wait(JobState.RETURNED)
    else:
        layer.data = other.copy()
        taught.learn()
        assert np.array_equal(taught.fake.orders[-1].lessons[0].labels["glands"], other)
    assert np.array_equal(layer.data[:20, :20], other[:20, :20]), "the finished corner"
    assert (layer.data == 12).sum() == 28, "drawn by hand"
    assert layer.data[30, 40], "found anew"
    taught.desk.correct.corrections.undo()
    assert np.array_equal(layer.data, other)


def test_an_image_that_changed_before_is_told(taught: Taught) -> None:
    taught.desk.viewer.layers["tile"].data = he_like(40, 56, seed=5)
    taught.learning.learn()
    assert "was closed or changed since it was annotated" in taught.learning.status.message


def test_annotating_and_learning_wait_for_one_another(make_desk: Callable[..., Desk]) -> None:
    taught = Taught(make_desk, gated=True)
    taught.finishing.finish(CORNER)
    taught.learning.learn()
    taught.desk.controller.annotate()
    assert "is learning" in taught.desk.session.job.message
    taught.learning.cancel()
    taught.fake.gate.set()
    taught.wait(JobState.CANCELLED)
    slow = FakeAnnotate(gated=True)
    taught.desk.controller._annotate = slow
    taught.desk.controller.annotate()
    taught.learning.learn()
    assert "annotation is running" in taught.learning.status.message
    slow.gate.set()
    taught.desk.qtbot.waitUntil(lambda: not taught.desk.session.job.state.busy, timeout=WAIT_MS)


def test_the_taught_model_serves_the_next_image_and_can_be_kept(taught: Taught) -> None:
    taught.learn()
    taught.learning.use_next()
    name = "starter, taught in this image"
    assert taught.desk.session.model_name == name
    assert taught.desk.session.models[-1].name == name
    taught.learning.keep_as("prostate")
    taught.desk.qtbot.waitUntil(lambda: bool(taught.fake.kept), timeout=WAIT_MS)
    taught.desk.qtbot.waitUntil(lambda: "Kept as “prostate”" in taught.learning.status.message, timeout=WAIT_MS)
    assert taught.fake.kept[0][0] is taught.learning.adapted


def test_two_open_images_teach_together(taught: Taught) -> None:
    desk = taught.desk
    desk.viewer.add_image(he_like(40, 56, seed=9), rgb=True, name="second", scale=(0.5, 0.5), units=("um", "um"))
    desk.controller.choose.image(str(desk.viewer.layers["second"].unique_id))
    desk.annotate()
    desk.viewer.layers.selection.active = desk.viewer.layers["second glands"]
    taught.finishing.finish(CORNER)
    taught.learn()
    names = [lesson.name.split()[0] for lesson in taught.fake.orders[-1].lessons]
    assert names == ["second", "tile"]
    assert desk.viewer.layers["second glands"].data[30, 40]
    assert not desk.viewer.layers["tile glands"].data[30, 40], "only the active image is annotated again"
