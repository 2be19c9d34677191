"""A napari window with the dock, worked with real events, and a camera: what ``screenshots.py`` works with."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import napari
import numpy as np
from PIL import Image
from qtpy.QtCore import QBuffer, QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_cerberus.viewer.controller import Controller
from napari_cerberus.viewer.correct.sight.camera import look_at
from napari_cerberus.viewer.correct.tools import TOOLS
from napari_cerberus.viewer.preferences import Memory
from napari_cerberus.viewer.session import JobState
from napari_cerberus.widgets.dock import CerberusDock

SIZE = 1280, 860
PART_PX, GAP_PX, MARGIN_PX = 280, 6, 24
COMMON_COLOURS, RARE_COLOURS, FAR_OFF = 64, 64, 24
HOLE_PX = 3.0
_WAIT_S = 600.0
_ENDS = (JobState.RETURNED, JobState.FAILED, JobState.CANCELLED)


def _pixels(grabbed: Any) -> Image.Image:
    """A grabbed picture for Pillow."""
    buffer = QBuffer()
    buffer.open(QBuffer.OpenModeFlag.WriteOnly)
    grabbed.save(buffer, "PNG")
    return Image.open(BytesIO(bytes(buffer.data()))).convert("RGB")


class Studio:
    """A napari window with the dock, real events, and a camera.

    Parameters
    ----------
    folder : Path
        Where pictures go.
    memory : Memory
    """

    def __init__(self, folder: Path, memory: Memory) -> None:
        self.folder = folder
        self.viewer = napari.Viewer()
        self.window = self.viewer.window._qt_window
        self.window.resize(*SIZE)
        memory.remember(tour_seen=True)
        self.dock = CerberusDock(self.viewer, Controller(self.viewer, memory))
        self.viewer.window.add_dock_widget(self.dock, name="Cerberus H&E annotation", area="right")
        self.viewer.open_sample("napari-cerberus", "synthetic_colon")
        self.canvas = self.viewer.window._qt_viewer.canvas.native
        self.window.activateWindow()
        self.correct = self.dock.controller.correct

    def settle(self, seconds: float = 0.3) -> None:
        """Let the window draw."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.005)

    def wait_for(self, condition: Callable[[], bool], seconds: float = _WAIT_S) -> None:
        """Wait until something is so."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError("The window did not get there in time.")
            self.settle(0.05)

    def picture(self, name: str, widget: Any = None, *, part: bool = False) -> None:
        """Write a picture of the window, of one widget, or of the middle ``part`` of the canvas."""
        self.settle()
        self._keep(name, [self._middle() if part else _pixels((widget or self.window).grab())])

    def pair(self, name: str, action: Callable[[], None]) -> None:
        """Write the middle of the canvas before and after an action, side by side."""
        self.settle()
        before = self._middle()
        action()
        self.settle()
        self._keep(name, [before, self._middle()])

    def _middle(self) -> Image.Image:
        whole = _pixels(self.canvas.grab())
        left, top = (whole.width - PART_PX) // 2, (whole.height - PART_PX) // 2
        return whole.crop((left, top, left + PART_PX, top + PART_PX))

    def _keep(self, name: str, parts: Sequence[Image.Image]) -> None:
        """Small on disk: few colours."""
        width = sum(part.width for part in parts) + GAP_PX * (len(parts) - 1)
        sheet, left = Image.new("RGB", (width, parts[0].height), "white"), 0
        for part in parts:
            sheet.paste(part, (left, 0))
            left += part.width + GAP_PX
        _few_colours(sheet).save(self.folder / f"{name}.png", optimize=True)

    def spoil(self, one: Any, index: int, *, at_edge: bool) -> None:
        """Give an object a hole, or a notch at its edge, as a brush would."""
        rows, columns = np.nonzero(one.layer.data == index)
        y, x = int(rows.mean()), int(columns.mean())
        if at_edge:
            x = int(columns[rows == y].max())
        around = np.hypot(rows - y, columns - x) <= (HOLE_PX - at_edge)
        with one.layer.block_history():
            one.layer.data_setitem((rows[around], columns[around]), 0)
        self.correct.sync()
        self.settle()

    def scroll_to(self, panel: Any) -> None:
        """Bring a panel of the dock into view, its upper edge on top."""
        self.settle(0.5)
        self.dock.steps.show_panel(panel)

    def largest(self, task: str) -> tuple[str, int]:
        """Task and id of the largest object that is whole and not too large to be shown with its surroundings."""
        one = next(one for one in self.correct.corrections if one.task == task)
        table = one.tracked.objects
        inside = (table["y0_px"] > MARGIN_PX) & (table["x0_px"] > MARGIN_PX)
        for side, size in (("y1_px", one.layer.data.shape[0]), ("x1_px", one.layer.data.shape[1])):
            inside &= table[side] < size - MARGIN_PX
        rows = table[inside] if inside.any() else table
        return task, int(rows.sort_values("area_um2")["index"].iloc[-1])

    def point_at(self, one: Any, index: int) -> QPoint:
        """Move the mouse over an object."""
        rows, columns = np.nonzero(one.layer.data == index)
        nearest = np.argmin(np.hypot(rows - rows.mean(), columns - columns.mean()))
        place = self.at(one, (rows[nearest], columns[nearest]))
        QTest.mouseMove(self.canvas, place)
        self.settle(0.1)
        return place

    def annotate(self) -> None:
        """Click the button and wait."""
        self.wait_for(lambda: self.dock.annotate.annotate.isEnabled() and bool(self.dock.controller.session.models))
        self.dock.annotate.annotate.click()
        self.wait_for(lambda: self.dock.controller.session.job.state in _ENDS)
        self.wait_for(lambda: len(self.correct.review.queued()) > 0)
        self.settle(1.5)  # panels have just appeared

    def show(self, task: str, index: int) -> Any:
        """Choose an object and bring it into view."""
        one = next(one for one in self.correct.corrections if one.task == task)
        self.viewer.layers.selection.active = one.layer
        self.correct.corrections.choose(one, index)
        look_at(self.viewer, one, index)
        self.settle()
        return one

    def press(self, tool: str) -> None:
        """Press a tool's key over the canvas."""
        letter = TOOLS[tool].key
        shift = Qt.KeyboardModifier.ShiftModifier if letter.startswith("Shift-") else Qt.KeyboardModifier.NoModifier
        self.canvas.setFocus()
        QTest.keyClick(self.canvas, getattr(Qt.Key, f"Key_{letter[-1]}"), shift)
        self.settle(0.1)

    def at(self, one: Any, point: Any) -> QPoint:
        """Where a pixel of a layer lies on the canvas."""
        camera, size = self.viewer.scene.camera, np.array(self.viewer.canvas.size)
        world = np.array(one.layer.data_to_world(point))[-2:]
        row, column = (world - np.array(camera.center[-2:])) * camera.zoom + size / 2
        return QPoint(int(column), int(row))

    def drag(self, *points: QPoint) -> None:
        """Pull the mouse through points; the button is left down."""
        QTest.mousePress(self.canvas, Qt.MouseButton.LeftButton, pos=points[0])
        for start, stop in pairwise(points):
            for share in np.linspace(0.1, 1, 8):
                QTest.mouseMove(self.canvas, start + (stop - start) * float(share))
                self.settle(0.02)

    def release(self, point: QPoint) -> None:
        """Let the button go."""
        QTest.mouseRelease(self.canvas, Qt.MouseButton.LeftButton, pos=point)
        self.settle()


def _few_colours(sheet: Image.Image) -> Image.Image:
    """Common colours, and some for what those miss: a thin green line among much pink."""
    common = sheet.quantize(COMMON_COLOURS)
    pixels = np.asarray(sheet)
    missed = np.abs(pixels.astype(int) - np.asarray(common.convert("RGB"))).max(-1) > FAR_OFF
    if not missed.any():
        return common
    rare = Image.fromarray(pixels[missed][None]).quantize(RARE_COLOURS)
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for one in (common, rare) for value in one.getpalette() or []])
    return sheet.quantize(palette=palette, dither=Image.Dither.NONE)
