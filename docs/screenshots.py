"""Pictures of the running program, for the documentation: ``make screenshots``.

Opens napari with the drawn colon tile, annotates it, uses tools and queue with real mouse and key events, and writes
``docs/images/*.png``. With ``--truth`` the tile's exact labels stand in for a model's answer, so that the pictures can
be made where no model is installed. With ``--pairs FOLDER`` the starter is fine-tuned on these training pairs, in a
temporary library, and every step of it is taken too; that takes as long as the fine-tune and its proof do.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pandas as pd
import tifffile
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_cerberus.inference.annotate import Annotation
from napari_cerberus.inference.objects import object_table
from napari_cerberus.progress import Job, Progress
from napari_cerberus.samples import SYNTHETIC_COLON
from napari_cerberus.viewer.camera import look_at
from napari_cerberus.viewer.controller import Controller
from napari_cerberus.viewer.memory import Memory
from napari_cerberus.viewer.requests import Request
from napari_cerberus.viewer.session import JobState, ModelChoice
from napari_cerberus.viewer.tools import TOOLS
from napari_cerberus.widgets.dock import CerberusDock
from napari_cerberus.widgets.key_table import KeyTable

SIZE = 1600, 1000
GLAND, NUCLEUS = 10, 500
_WAIT_S = 600.0
_RUN_WAIT_S = 7200.0
_DOCK_WIDTH = 360
_ENDS = (JobState.RETURNED, JobState.FAILED, JobState.CANCELLED)


def answer_with_truth(request: Request) -> Job[Annotation]:
    """The drawn tile's exact labels, as if a model had found them."""
    yield Progress("Reading exact labels")
    labels, tables, seen = {}, [], {}
    for task in SYNTHETIC_COLON.truth_tasks:
        ids, renumbered = np.unique(tifffile.imread(SYNTHETIC_COLON.labels_path(task)), return_inverse=True)
        labels[task] = renumbered.reshape(1024, 1024).astype(np.int32)
        confidence = np.random.default_rng(0).uniform(0.4, 1.0, ids.size - 1)
        tables.append(object_table(task, labels[task], request.pixel_size_um, confidence=confidence))
        inside = labels[task] > 0
        seen[task] = np.stack([inside * np.float16(0.8), inside * np.float16(0.1)])
    return Annotation(
        labels=labels,
        objects=pd.concat(tables, ignore_index=True),
        probabilities=seen,
        tissue={"Normal": 0.9, "Polyp": 0.1},
        model_name="exact labels",
        model_sha256="",
        pixel_size_um=request.pixel_size_um,
        model_pixel_size_um=request.pixel_size_um,
        device="cpu",
        precision="exact",
        device_reason="No network ran.",
        seconds=0.1,
    )


def truth_as_model() -> Job[tuple[ModelChoice, ...]]:
    """What the model list shows while exact labels stand in."""
    yield Progress("Looking for models")
    tasks = SYNTHETIC_COLON.truth_tasks
    return (ModelChoice(name="exact labels", predicts=tasks, pixel_size_um=SYNTHETIC_COLON.pixel_size_um, sha256=""),)


class Studio:
    """A napari window with the dock, real events, and a camera.

    Parameters
    ----------
    folder : Path
        Where pictures go.
    truth : bool
        Exact labels instead of a model.
    """

    def __init__(self, folder: Path, truth: bool) -> None:
        self.folder = folder
        self.viewer = napari.Viewer()
        self.window = self.viewer.window._qt_window
        self.window.resize(*SIZE)
        jobs = {"annotate": answer_with_truth, "list_models": truth_as_model} if truth else {}
        self.dock = CerberusDock(self.viewer, Controller(self.viewer, Memory(), **jobs))
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

    def picture(self, name: str, widget: Any = None) -> None:
        """Write a picture of the window, or of one widget."""
        self.settle()
        (widget or self.window).grab().save(str(self.folder / f"{name}.png"))

    def annotate(self) -> None:
        """Click the button and wait."""
        self.wait_for(lambda: self.dock.annotate.annotate.isEnabled() and bool(self.dock.controller.session.models))
        self.dock.annotate.annotate.click()
        self.wait_for(lambda: self.dock.controller.session.job.state in _ENDS)
        self.wait_for(lambda: len(self.correct.review.queued()) > 0)

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


def take_pictures(studio: Studio) -> None:
    """The walk of the tutorial."""
    studio.annotate()
    studio.picture("annotated")
    studio.correct.review.next()
    studio.picture("queue")
    one = studio.show("glands", GLAND)
    (top, left), (bottom, right) = one.box(GLAND)
    middle = (top + bottom) / 2
    ends = studio.at(one, (middle, left - 8)), studio.at(one, (middle, right + 8))
    studio.press("cut")
    studio.drag(*ends)
    studio.picture("split_drawing")
    studio.release(ends[1])
    studio.press("cut")
    studio.picture("split_done")
    for tool in ("smooth", "grow"):
        studio.press(tool)
    studio.picture("outline_tools")
    nuclei = studio.show("nuclei", NUCLEUS)
    place = studio.at(nuclei, np.mean(nuclei.box(NUCLEUS), axis=0))
    QTest.mouseMove(studio.canvas, place)
    studio.press("delete")
    studio.picture("deleted")
    studio.press("click")
    studio.drag(place)
    studio.release(place)
    studio.press("click")
    studio.picture("added_by_click")


def take_finetune_pictures(studio: Studio, pairs: Path) -> None:
    """From the folder of pairs to the model library, with a real run."""
    panel, finetuning = studio.dock.finetune, studio.dock.controller.finetuning
    studio.window.resizeDocks([studio.dock.parent()], [_DOCK_WIDTH], Qt.Orientation.Horizontal)

    def picture(name: str) -> None:
        studio.settle()
        bar = studio.dock.scroll.verticalScrollBar()
        bar.setValue(panel.mapTo(studio.dock.scroll.widget(), QPoint(0, 0)).y())
        studio.picture(name)

    panel.form.folder.setText(str(pairs))
    picture("finetune_1_form")
    panel.form.more.header.setChecked(True)
    picture("finetune_2_advanced")
    panel.form.more.header.setChecked(False)
    panel.check.click()
    studio.wait_for(lambda: finetuning.checked is not None)
    picture("finetune_3_checked")
    panel.start.click()
    studio.wait_for(lambda: finetuning.state is not None)
    studio.wait_for(lambda: any(point.figures for point in finetuning.state.history[:-1]))
    picture("finetune_4_running")
    finetuning.pause()
    studio.wait_for(lambda: finetuning.state.status == "paused")
    picture("finetune_5_paused")
    finetuning.go_on()
    studio.wait_for(lambda: not finetuning.state.live, _RUN_WAIT_S)
    panel.curves.header.setChecked(False)
    picture("finetune_6_proof")
    panel.proof.details.click()
    studio.picture("finetune_7_details", panel.proof.dialog)
    panel.proof.dialog.close()
    studio.dock.controller.library.promote(finetuning.state.model_name)
    studio.dock.annotate.show_library()
    dialog = studio.dock.annotate.models_dialog
    dialog.list.choose("starter")
    studio.picture("finetune_8_models", dialog)
    dialog.close()


def main() -> None:
    """Write all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent / "images")
    parser.add_argument("--truth", action="store_true", help="exact labels of the tile instead of a model")
    parser.add_argument("--pairs", type=Path, help="training pairs to fine-tune on, for the pictures of it")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as own:
        os.environ["NAPARI_CERBERUS_MODELS"] = str(Path(own) / "models")
        os.environ["NAPARI_CERBERUS_RUNS"] = str(Path(own) / "runs")
        take_all(arguments.folder, arguments.truth, arguments.pairs)


def take_all(folder: Path, truth: bool, pairs: Path | None) -> None:
    """Open the window, take the pictures, close it."""
    studio = Studio(folder, truth)
    take_pictures(studio)
    table = KeyTable(studio.dock)
    table.show()
    studio.picture("keys", table)
    table.close()
    if pairs is not None:
        take_finetune_pictures(studio, pairs)
    studio.viewer.close()


if __name__ == "__main__":
    main()
