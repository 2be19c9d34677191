"""A real napari window with the dock and an annotated tile, worked with mouse and keys."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.utils._proxies import PublicOnlyProxy
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QPoint, Qt

from fake_jobs import FakeAnnotate, fake_learn_jobs, he_like, no_pixel_size, two_models
from napari_cerberus.viewer.controller import Controller
from napari_cerberus.viewer.preferences import Memory
from napari_cerberus.viewer.session import JobState
from napari_cerberus.widgets.dock import CerberusDock

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
WAIT_MS = 60_000


class Window:
    """A shown napari with an annotated tile; points are in pixels of the layers."""

    def __init__(
        self, qtbot: QtBot, viewer: Any, annotate: FakeAnnotate | None = None, learn_jobs: Any = None, **memory: Any
    ) -> None:
        self.qtbot, self.viewer = qtbot, viewer
        as_plugins_see_it = PublicOnlyProxy(viewer)  # layers of it are others than those that napari hands to callbacks
        controller = Controller(
            as_plugins_see_it,
            Memory(**memory),
            annotate=annotate or FakeAnnotate(),
            list_models=two_models,
            read_pixel_size=no_pixel_size,
            learn_jobs=learn_jobs or fake_learn_jobs(),
        )
        self.dock = CerberusDock(as_plugins_see_it, controller)
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
