"""One image, one state; and the model that is loaded before it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from pytestqt.qtbot import QtBot

from desk import Desk
from fake_jobs import he_like
from napari_cerberus.progress import Job, Progress
from napari_cerberus.viewer.annotate.model_loading import LOADING, ModelLoading
from napari_cerberus.viewer.session import ModelChoice, Region, Session


def test_another_image_has_its_own_queue_and_results(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    first = desk.choose("nuclei", 1)
    assert len(desk.correct.review.objects()) == 4
    desk.viewer.add_image(he_like(40, 56, seed=1), rgb=True, name="other", scale=(0.5, 0.5), units=("um", "um"))
    desk.viewer.layers.selection.active = desk.viewer.layers["other"]
    assert desk.session.image_name == "other"
    assert desk.session.readout is None
    assert desk.correct.corrections.active is None, "its corrections are none"
    assert len(desk.correct.review.objects()) == 0
    desk.viewer.layers.selection.active = desk.viewer.layers["tile"]
    assert desk.correct.corrections.active is not None
    assert desk.correct.corrections.active.place == first.place
    assert len(desk.correct.review.objects()) == 4
    assert desk.session.readout is not None


def test_a_changed_pixel_size_says_that_results_are_of_the_old_one(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    assert desk.session.results_note == ""
    desk.controller.choose.pixel_size(0.25)
    assert "of 0.5 µm/px" in desk.session.results_note
    assert "0.25 µm/px now" in desk.session.results_note
    desk.controller.choose.pixel_size(0.5)
    assert desk.session.results_note == ""
    desk.controller.choose.pixel_size(0.25)
    desk.annotate()
    assert desk.session.results_note == "", "annotated anew"


def test_a_rectangle_inside_an_annotated_image_goes_into_its_layers(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    names = [layer.name for layer in desk.viewer.layers]
    nuclei = desk.layer("nuclei").layer
    before = nuclei.data.copy()
    desk.viewer.add_shapes([[[10, 12], [10, 27], [19, 27], [19, 12]]], name="Cerberus region", units=("um", "um"))
    desk.controller.choose.region(Region.RECTANGLE)
    desk.annotate()
    left = [layer.name for layer in desk.viewer.layers if layer.name != "Cerberus region"]
    assert left == names, "no second outlines"
    assert nuclei.data[21:23, 25:27].all(), "the rectangle's own nucleus, at its corner"
    np.testing.assert_array_equal(nuclei.data[:18], before[:18])
    assert "replaced in the layers of the whole" in desk.session.job.message
    desk.viewer.layers.selection.active = nuclei
    desk.correct.corrections.undo()
    np.testing.assert_array_equal(nuclei.data, before)


def test_the_model_is_loaded_once_for_each_choice(qtbot: QtBot) -> None:
    loaded: list[Any] = []

    def load(name: str, device: str) -> Job[None]:
        yield Progress("Loading the model")
        loaded.append((name, device))

    session = Session()
    said: list[str] = []
    session.events.model_loading.connect(said.append)
    loading = ModelLoading(session, load)
    models = tuple(
        ModelChoice(name=name, predicts=("nuclei",), pixel_size_um=0.5, sha256=name * 64) for name in ("a", "b")
    )
    session.model_name = "a"
    assert not loading.busy, "no model is known yet"
    session.models = models
    assert session.model_loading == LOADING
    qtbot.waitUntil(lambda: not loading.busy, timeout=10_000)
    session.models = (*models, *models[:0])
    session.model_name = "b"
    qtbot.waitUntil(lambda: len(loaded) == 2 and not loading.busy, timeout=10_000)
    assert loaded == [("a", "auto"), ("b", "auto")]
    assert said == [LOADING, "", LOADING, ""]
    loading.close()


def test_a_model_that_cannot_be_loaded_ahead_is_not_an_alarm(qtbot: QtBot) -> None:
    def load(name: str, device: str) -> Job[None]:
        yield Progress("Loading the model")
        raise ValueError("damaged")

    session = Session()
    loading = ModelLoading(session, load)
    session.model_name = "a"
    session.models = (ModelChoice(name="a", predicts=("nuclei",), pixel_size_um=0.5, sha256="a" * 64),)
    qtbot.waitUntil(lambda: not loading.busy, timeout=10_000)
    assert session.model_loading == ""
    loading.close()


def test_counts_follow_every_edit_and_its_undo(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()

    def counts() -> tuple[dict[str, int], dict[str, int]]:
        readout = desk.session.readout
        assert readout is not None
        return dict(readout.counts), dict(readout.classes["nuclei"])

    assert counts() == ({"nuclei": 2, "glands": 1, "lumina": 1}, {"epithelial": 1, "lymphocyte": 1})
    desk.choose("nuclei", 2)
    desk.correct.tools.use("delete")
    assert counts() == ({"nuclei": 1, "glands": 1, "lumina": 1}, {"epithelial": 1})
    desk.correct.tools.number(3)
    desk.choose("nuclei", 1)
    desk.correct.tools.number(3)
    assert counts()[1] == {"lymphocyte": 1}
    desk.viewer.add_image(he_like(40, 56, seed=1), rgb=True, name="other", scale=(0.5, 0.5), units=("um", "um"))
    desk.viewer.layers.selection.active = desk.viewer.layers["other"]
    desk.viewer.layers.selection.active = desk.viewer.layers["tile"]
    assert counts()[0]["nuclei"] == 1, "also after another image"
    desk.choose("nuclei", 1)
    desk.correct.corrections.undo()
    desk.correct.corrections.undo()
    assert counts() == ({"nuclei": 2, "glands": 1, "lumina": 1}, {"epithelial": 1, "lymphocyte": 1})
