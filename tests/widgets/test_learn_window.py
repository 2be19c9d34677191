"""Finishing an area and learning in a real window, with mouse and keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QInputDialog, QScrollArea, QWidget

from correct_window import LEFT, RIGHT, WAIT_MS, Window
from fake_jobs import FakeLearn
from killed_learning import slowly
from napari_cerberus.viewer.adapt.learn_jobs import LearnJobs
from napari_cerberus.viewer.placement import Box
from napari_cerberus.viewer.session import JobState


def in_sight(widget: QWidget, page: QScrollArea) -> bool:
    """Whether no part of a widget is scrolled away."""
    top = widget.mapTo(page.viewport(), widget.rect().topLeft()).y()
    return top >= 0 and top + widget.height() <= page.viewport().height()


def better() -> dict[str, Any]:
    """What the taught model finds."""
    glands = np.zeros((40, 56), np.int32)
    glands[25:35, 30:50] = 1
    return {"glands": glands}


@pytest.fixture
def taught(qtbot: QtBot, make_napari_viewer: Callable[..., Any]) -> tuple[Window, FakeLearn]:
    fake = FakeLearn(better())
    return Window(qtbot, make_napari_viewer(show=True), learn_jobs=fake.jobs), fake


def test_a_pulled_rectangle_is_finished_and_learned_from(taught: tuple[Window, FakeLearn]) -> None:
    window, fake = taught
    glands, panel = window.layer("glands"), window.dock.learn
    assert not panel.learn.isEnabled()
    window.press(Qt.Key.Key_I)
    assert panel.buttons["rectangle"].isChecked()
    window.drag(glands, (0.0, 0.0), (8.0, 9.0), (19.0, 21.0))
    (area,) = window.dock.controller.finishing.areas()
    assert area.box is not None
    assert np.abs(np.subtract(area.box, (0, 0, 20, 22))).max() <= 1, "within a screen pixel"
    assert not panel.buttons["rectangle"].isChecked()
    window.qtbot.waitUntil(lambda: "about 2 min" in panel.told.text(), timeout=WAIT_MS)
    assert panel.told.text().startswith("Finished: 1 gland (")
    assert not fake.orders, "too long to begin by itself"
    panel.learn.click()
    window.qtbot.waitUntil(lambda: window.dock.controller.learning.status.state is JobState.RETURNED, timeout=WAIT_MS)
    assert glands.data[30, 40]
    assert "Ctrl+Z takes it back" in panel.job_bar.message.text()
    window.press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not glands.data[30, 40]
    assert panel._afterwards.isHidden()


def test_an_outline_of_clicked_corners_and_the_field_of_view(taught: tuple[Window, FakeLearn]) -> None:
    window, _ = taught
    glands, finishing = window.layer("glands"), window.dock.controller.finishing
    window.press(Qt.Key.Key_I, Qt.KeyboardModifier.ShiftModifier)
    for corner in ((2.0, 2.0), (2.0, 30.0), (30.0, 30.0)):
        window.click(glands, corner, LEFT)
    window.click(glands, (20.0, 10.0), RIGHT)
    assert len(finishing.areas()[0].corners) == 3
    window.press(Qt.Key.Key_Y)
    assert finishing.parts()["glands"].share == pytest.approx(1.0)
    window.press(Qt.Key.Key_I)
    window.press(Qt.Key.Key_I)
    assert finishing.drawing.armed == "", "the key again puts it away"
    window.press(Qt.Key.Key_O)
    window.press(Qt.Key.Key_I)
    assert window.dock.correct.buttons["outline"].isChecked() is False, "only one thing waits for the mouse"


def test_cancel_in_the_middle_of_real_steps_leaves_every_layer_as_it_was(
    qtbot: QtBot, make_napari_viewer: Callable[..., Any]
) -> None:
    jobs = LearnJobs(learn=slowly, measure=FakeLearn().jobs.measure)
    window = Window(qtbot, make_napari_viewer(show=True), learn_jobs=jobs)
    window.viewer.window.resize(1280, 760)
    window.dock.steps.show_step("correct")
    controller, panel, glands = window.dock.controller, window.dock.learn, window.layer("glands")
    glands.data_setitem(np.nonzero(np.pad(np.ones((8, 8)), ((20, 12), (2, 46)))), 5)
    controller.correct.sync()
    controller.finishing.finish(Box(y0=0, x0=0, y1=40, x1=28))
    before = {layer.name: np.array(layer.data) for layer in window.viewer.layers if layer.name.startswith("tile ")}
    panel.learn.click()
    qtbot.waitUntil(lambda: controller.learning.status.stage == "Learning glands", timeout=WAIT_MS)
    assert panel.job_bar.cancel.isVisibleTo(panel)
    page = window.dock.steps.pages["correct"]
    qtbot.waitUntil(lambda: page.widget().height() > page.viewport().height(), timeout=WAIT_MS)
    qtbot.waitUntil(lambda: in_sight(panel.job_bar.cancel, page), timeout=WAIT_MS)
    panel.job_bar.cancel.click()
    qtbot.waitUntil(lambda: controller.learning.status.state is JobState.CANCELLED, timeout=WAIT_MS)
    assert panel.job_bar.message.text() == "Cancelled; nothing was changed."
    for name, data in before.items():
        np.testing.assert_array_equal(window.viewer.layers[name].data, data)
    assert controller.learning.adapted is None
    assert controller.finishing.areas(), "what was finished stays finished"
    assert panel.learn.isEnabled(), "it can learn again"


def test_the_taught_model_is_used_for_the_next_image_and_kept_by_its_buttons(
    taught: tuple[Window, FakeLearn], monkeypatch: pytest.MonkeyPatch
) -> None:
    window, fake = taught
    controller, panel = window.dock.controller, window.dock.learn
    window.layer("glands")
    controller.finishing.finish(Box(y0=0, x0=0, y1=20, x1=20))
    assert panel.next.isHidden() or panel._afterwards.isHidden()
    panel.learn.click()
    window.qtbot.waitUntil(lambda: controller.learning.status.state is JobState.RETURNED, timeout=WAIT_MS)
    assert not panel._afterwards.isHidden()
    panel.next.click()
    assert controller.session.model_name == "starter, taught in this image"
    assert "annotates the next image" in panel.job_bar.message.text()
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: ("prostate", True))
    panel.keep.click()
    window.qtbot.waitUntil(lambda: bool(fake.kept), timeout=WAIT_MS)
    window.qtbot.waitUntil(lambda: "Kept as “prostate”" in panel.job_bar.message.text(), timeout=WAIT_MS)
