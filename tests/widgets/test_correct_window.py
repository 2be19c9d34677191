"""Correcting in a real window, with real mouse and key events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt

from fake_jobs import FakeAnnotate, he_like, no_pixel_size, two_models
from napari_cerberus.viewer.controller import Controller
from napari_cerberus.viewer.memory import Memory
from napari_cerberus.viewer.session import JobState
from napari_cerberus.widgets.dock import CerberusDock
from napari_cerberus.widgets.key_table import KeyTable

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
WAIT_MS = 60_000


class Window:
    """A shown napari with an annotated tile; points are in pixels of the layers."""

    def __init__(self, qtbot: QtBot, viewer: Any) -> None:
        self.qtbot, self.viewer = qtbot, viewer
        controller = Controller(
            viewer, Memory(), annotate=FakeAnnotate(), list_models=two_models, read_pixel_size=no_pixel_size
        )
        self.dock = CerberusDock(viewer, controller)
        viewer.window.add_dock_widget(self.dock)
        viewer.add_image(he_like(40, 56), rgb=True, name="tile", scale=(0.5, 0.5), translate=(3, 4), units=("um", "um"))
        self.dock.annotate.annotate.click()
        qtbot.waitUntil(lambda: controller.session.job.state is JobState.RETURNED, timeout=WAIT_MS)
        self.canvas = viewer.window._qt_viewer.canvas.native
        self.corrections = controller.correct.corrections
        qtbot.wait(300)  # until the canvas has its final size
        viewer.reset_view()
        qtbot.wait(50)

    def layer(self, task: str) -> Any:
        layer = self.viewer.layers[f"tile {task}"]
        self.viewer.layers.selection.active = layer
        return layer

    def at(self, layer: Any, point: tuple[float, float]) -> QPoint:
        camera, size = self.viewer.scene.camera, np.array(self.viewer.canvas.size)
        world = np.array(layer.data_to_world(point))
        row, column = (world - np.array(camera.center[-2:])) * camera.zoom + size / 2
        return QPoint(round(column), round(row))

    def click(self, layer: Any, point: tuple[float, float], button: Any = LEFT) -> None:
        self.qtbot.mouseMove(self.canvas, self.at(layer, point))
        self.qtbot.mouseClick(self.canvas, button, pos=self.at(layer, point))

    def drag(self, layer: Any, *points: tuple[float, float]) -> None:
        places = [self.at(layer, point) for point in points]
        self.qtbot.mousePress(self.canvas, LEFT, pos=places[0])
        for place in places[1:]:
            self.qtbot.mouseMove(self.canvas, place)
            self.qtbot.wait(30)  # napari takes so many moves a second and no more
        self.qtbot.mouseRelease(self.canvas, LEFT, pos=places[-1])

    def press(self, key: Any, modifier: Any = Qt.KeyboardModifier.NoModifier) -> None:
        self.canvas.setFocus()
        self.qtbot.keyClick(self.canvas, key, modifier)

    @property
    def message(self) -> str:
        return str(self.dock.correct.message.text())


@pytest.fixture
def window(qtbot: QtBot, make_napari_viewer: Callable[..., Any]) -> Window:
    return Window(qtbot, make_napari_viewer(show=True))


def test_split_merge_and_undo_with_mouse_and_keys(window: Window) -> None:
    glands = window.layer("glands")
    before = np.array(glands.data)
    window.click(glands, (5, 5))
    assert "object 1 chosen" in window.dock.correct.layer.text()
    window.press(Qt.Key.Key_K)
    assert window.dock.correct.buttons["cut"].isChecked()
    window.drag(glands, (-2, 5.5), (5, 5.5), (14, 5.5))
    assert window.message == "Split object 1 into 2."
    assert set(np.unique(glands.data)) == {0, 1, 2}
    window.press(Qt.Key.Key_J)
    assert not window.dock.correct.buttons["cut"].isChecked()
    window.click(glands, (5, 3))
    window.click(glands, (5, 9))
    assert window.message.startswith("Merged objects")
    assert len(set(np.unique(glands.data)) - {0}) == 1
    window.press(Qt.Key.Key_J)
    for _ in range(2):
        window.press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    np.testing.assert_array_equal(glands.data, before)
    assert glands.features["state"].tolist() == ["unreviewed"]


def test_a_new_object_by_outline_and_by_corners(window: Window) -> None:
    glands = window.layer("glands")
    window.press(Qt.Key.Key_O)
    window.drag(glands, (20, 20), (20, 30), (30, 30), (30, 20))
    assert glands.data[25, 25] == 2
    for corner in ((20, 40), (20, 50), (30, 50)):
        window.click(glands, corner)
    window.click(glands, (30, 40), RIGHT)
    assert glands.data[22, 47] == 3
    window.press(Qt.Key.Key_O)
    assert glands.mouse_pan
    assert len(glands.features) == 3


def test_the_queue_by_single_keys(window: Window) -> None:
    review = window.dock.controller.correct.review
    window.qtbot.waitUntil(lambda: len(review.queued()) == 4, timeout=WAIT_MS)
    window.layer("glands")
    window.press(Qt.Key.Key_Period)
    for key in (Qt.Key.Key_A, Qt.Key.Key_R, Qt.Key.Key_U):
        window.press(key)
    count = window.dock.review.count
    window.qtbot.waitUntil(lambda: count.text() == "2 of 4 reviewed", timeout=WAIT_MS)
    assert window.dock.review.bar.value() == 2
    assert window.dock.review.reason.text()
    states = sorted(state for one in window.corrections for state in one.tracked.objects["state"])
    assert states == ["accepted", "rejected", "skipped", "unreviewed"]
    window.press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert sum(len(one.tracked.objects.query("state == 'skipped'")) for one in window.corrections) == 0


def test_the_key_table_names_every_tool(window: Window) -> None:
    window.dock.correct.keys.click()
    (table,) = window.dock.findChildren(KeyTable)
    assert table.isVisible()
    tips = [button.toolTip() for button in window.dock.correct.buttons.values()]
    assert all("Key: " in tip for tip in tips)
