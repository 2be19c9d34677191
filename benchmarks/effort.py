"""What ten corrected glands cost: clicks, pulls and keys of a scripted expert in the real window.

    python benchmarks/effort.py [--write docs/effort.md]

The painted sample tile opens in napari. Its exact labels stand in for a model's answer, spoiled in ten glands in the
ways that models spoil them. The expert knows what is wrong and works with real mouse and key events only. A gland is
corrected when it has no hole and an IoU of .75 with the exact one. Clicks and keys are those of the program, whoever
uses it; the seconds are those of a processor that the program worked, as a script does not think. Of version one
nothing is measured: its tools had other keys and needed other clicks, and the script does not fit it.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pandas as pd
import tifffile
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from scipy import ndimage
from skimage.segmentation import relabel_sequential

from napari_cerberus.annotation.annotated_image import ModelRun
from napari_cerberus.inference.annotate import Annotation
from napari_cerberus.inference.objects.found_objects import object_table
from napari_cerberus.progress import Job, Progress
from napari_cerberus.samples import SYNTHETIC_COLON
from napari_cerberus.tasks import GLANDS
from napari_cerberus.viewer.annotate.annotate_jobs import Request
from napari_cerberus.viewer.controller import Controller
from napari_cerberus.viewer.correct.sight.camera import camera_of
from napari_cerberus.viewer.preferences import Memory
from napari_cerberus.viewer.session import JobState, ModelChoice
from napari_cerberus.widgets.dock import CerberusDock

CORRECTED_IOU = 0.75
SIZE = (1600, 1000)
_HOLE_PX = 12
_LEFT = Qt.MouseButton.LeftButton
Labels = np.ndarray[Any, Any]


def truth_of(task: str) -> Labels:
    """Exact labels of the tile, ids 1..n."""
    ids, renumbered = np.unique(tifffile.imread(SYNTHETIC_COLON.labels_path(task)), return_inverse=True)
    return renumbered.reshape(1024, 1024).astype(np.int32) if ids[0] == 0 else renumbered.reshape(1024, 1024) + 1


@dataclass(frozen=True, kw_only=True)
class Spoiled:
    """Ten glands that are wrong, by what is wrong with them."""

    labels: Labels
    missing: tuple[int, ...]
    parted: tuple[int, ...]
    invented: tuple[int, ...]
    holed: tuple[int, ...]


def spoil(truth: Labels) -> Spoiled:
    """Four glands are missing, three fall in halves, one is invented and two have a hole.

    Taken are the ten largest glands that touch no edge.
    """
    edge = set(np.unique(np.concatenate([truth[0], truth[-1], truth[:, 0], truth[:, -1]])).tolist())
    sizes = np.bincount(truth.ravel())
    whole = [int(index) for index in np.argsort(-sizes) if index and index not in edge][:9]
    labels, last = truth.copy(), int(truth.max())
    missing, parted, holed = whole[:4], whole[4:7], whole[7:9]
    labels[np.isin(labels, missing)] = 0
    for index in parted:
        last += 1
        rows, columns = np.nonzero(truth == index)
        half = columns > np.median(columns)
        labels[rows[half], columns[half]] = last
    for index in holed:
        y, x = inside(truth == index)
        yy, xx = np.ogrid[: truth.shape[0], : truth.shape[1]]
        labels[(np.hypot(yy - y, xx - x) < _HOLE_PX) & (truth == index)] = 0
    last += 1
    y, x = np.argwhere(truth == 0)[truth[truth == 0].size // 2]
    patch = np.zeros_like(truth, bool)
    patch[max(y - 15, 0) : y + 15, max(x - 15, 0) : x + 15] = True
    labels[patch & (labels == 0) & (truth == 0)] = last
    renumbered, number, _ = relabel_sequential(labels)
    return Spoiled(
        labels=renumbered.astype(np.int32),
        missing=tuple(missing),
        parted=tuple(parted),
        invented=(int(number[last]),),
        holed=tuple(holed),
    )


def inside(mask: Labels) -> tuple[int, int]:
    """The pixel of a mask that is farthest from its edge."""
    y, x = np.unravel_index(int(np.argmax(ndimage.distance_transform_edt(mask))), mask.shape)
    return int(y), int(x)


def answer(spoiled: Labels, truth: dict[str, Labels], request: Request) -> Job[Annotation]:
    """Spoiled labels as a model's answer, with a probability map that has seen the exact ones."""
    yield Progress("Reading exact labels")
    labels = {**truth, GLANDS: spoiled}
    tables = [
        object_table(task, one, request.pixel_size, confidence=np.full(len(np.unique(one)) - 1, 0.8))
        for task, one in labels.items()
    ]
    run = ModelRun(model_name="spoiled exact labels", device="cpu", precision="exact", seconds=0.1)
    return Annotation(
        frame=request.picture.frame,
        pixel_size=request.pixel_size,
        labels=labels,
        objects=pd.concat(tables, ignore_index=True),
        runs=dict.fromkeys(labels, run),
        probabilities={
            task: np.stack([(one > 0) * np.float16(0.9), np.zeros(one.shape, np.float16)])
            for task, one in truth.items()
        },
    )


def one_model() -> Job[tuple[ModelChoice, ...]]:
    """What the model list shows."""
    yield Progress("Looking for models")
    tasks = SYNTHETIC_COLON.truth_tasks
    return (ModelChoice(name="exact labels", predicts=tasks, pixel_size_um=0.5, sha256=""),)


class Expert:
    """A window with the tile, and a hand that counts what it does."""

    def __init__(self) -> None:
        self.truth = {task: truth_of(task) for task in SYNTHETIC_COLON.truth_tasks}
        self.spoiled = spoil(self.truth[GLANDS])
        self.viewer = napari.Viewer()
        self.viewer.window._qt_window.resize(*SIZE)
        make = lambda request: answer(self.spoiled.labels, self.truth, request)  # noqa: E731
        self.controller = Controller(self.viewer, Memory(), annotate=make, list_models=one_model)
        self.dock = CerberusDock(self.viewer, self.controller)
        self.viewer.window.add_dock_widget(self.dock, area="right")
        self.viewer.open_sample("napari-cerberus", "synthetic_colon")
        self.canvas = self.viewer.window._qt_viewer.canvas.native
        self.done = {"clicks": 0, "pulls": 0, "keys": 0}

    def settle(self, seconds: float = 0.05) -> None:
        """Let the window work."""
        end = time.monotonic() + seconds
        while True:
            QApplication.processEvents()
            if time.monotonic() > end:
                return
            time.sleep(0.005)

    def annotate(self) -> Any:
        """Click Annotate and wait; the layer of glands."""
        while not self.dock.annotate.annotate.isEnabled():
            self.settle()
        self.dock.annotate.annotate.click()
        while self.controller.session.job.state is not JobState.RETURNED:
            self.settle()
        self.settle(1.5)
        self.viewer.reset_view()
        self.settle(0.5)
        return next(one for one in self.controller.correct.corrections if one.task == GLANDS)

    def at(self, point: tuple[float, float]) -> QPoint:
        """Where a pixel of the layer lies on the canvas."""
        camera, size = camera_of(self.viewer), np.array(self.viewer.canvas.size)
        row, column = (np.multiply(point, 0.5) - np.array(camera.center[-2:])) * camera.zoom + size / 2
        return QPoint(round(column), round(row))

    def point_at(self, point: tuple[float, float]) -> QPoint:
        """Move the mouse, which costs nothing here."""
        place = self.at(point)
        QTest.mouseMove(self.canvas, place + QPoint(3, 3))
        self.settle()
        QTest.mouseMove(self.canvas, place)
        self.settle()
        return place

    def click(self, point: tuple[float, float]) -> None:
        """One click."""
        self.done["clicks"] += 1
        QTest.mouseClick(self.canvas, _LEFT, pos=self.point_at(point))
        self.settle()

    def key(self, key: Any) -> None:
        """One key."""
        self.done["keys"] += 1
        self.canvas.setFocus()
        QTest.keyClick(self.canvas, key)
        self.settle()

    def mend(self, kind: str) -> None:
        """All glands of one kind, the tool put away at the end."""
        key, truth, now = Qt.Key, self.truth[GLANDS], self.spoiled.labels
        if kind == "missing":
            self.key(key.Key_N)
            for index in self.spoiled.missing:
                self.click(inside(truth == index))
            self.key(key.Key_N)
        elif kind == "parted":
            self.key(key.Key_J)
            for index in self.spoiled.parted:
                for part in set(np.unique(now[truth == index]).tolist()) - {0}:
                    self.click(inside(now == part))
            self.key(key.Key_J)
        else:
            letter = key.Key_D if kind == "invented" else key.Key_H
            wrong = now if kind == "invented" else np.where(now > 0, truth, 0)
            for index in getattr(self.spoiled, kind):
                self.click(inside(wrong == index))  # a key hits the chosen object before the one under the pointer
                self.key(letter)


def corrected(layer: Any, truth: Labels, spoiled: Spoiled, kind: str) -> int:
    """How many glands of a kind are as they should be."""
    now = np.asarray(layer.layer.data)
    if kind == "invented":
        return sum(not (now == index).any() for index in spoiled.invented)
    good = 0
    for index in getattr(spoiled, kind):
        mask = truth == index
        names, counts = np.unique(now[mask], return_counts=True)
        found = now == names[np.argmax(np.where(names > 0, counts, -1))]
        whole = bool((ndimage.binary_fill_holes(found) == found).all())
        good += whole and (mask & found).sum() / (mask | found).sum() >= CORRECTED_IOU
    return good


KINDS = {"missing": "missing", "parted": "in two halves", "invented": "where there is none", "holed": "with a hole"}


def table(expert: Expert) -> str:
    """The walk, and what it cost, as Markdown."""
    layer = expert.annotate()
    expert.key(Qt.Key.Key_2)
    rows = [("to the layer of glands", 0, 0, *expert.done.values(), 0.0)]
    for kind, words in KINDS.items():
        expert.done = dict.fromkeys(expert.done, 0)
        begun = time.process_time()
        expert.mend(kind)
        good = corrected(layer, expert.truth[GLANDS], expert.spoiled, kind)
        wrong = len(getattr(expert.spoiled, kind))
        rows.append((f"glands {words}", wrong, good, *expert.done.values(), time.process_time() - begun))
    total = ["**all**", *(sum(row[column] for row in rows) for column in range(1, 7))]
    lines = ["| | glands | corrected | clicks | pulls | keys | s worked |", "|---|---|---|---|---|---|---|"]
    lines += [
        "| " + " | ".join(f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in row) + " |"
        for row in (*rows, total)
    ]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, help="write the page of the documentation")
    chosen = parser.parse_args(arguments)
    expert = Expert()
    text = table(expert)
    expert.viewer.close()
    print(text)
    if chosen.write is not None:
        about = "\n".join(__doc__.splitlines()[4:])
        chosen.write.write_text(
            f"# What ten corrected glands cost\n\n{about}\n\n{text}\n\nPrinted by `python benchmarks/effort.py`.\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
