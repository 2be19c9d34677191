"""How the dock copes with very many objects: what a user waits for after each thing he does.

Run: ``xvfb-run -a python benchmarks/many_objects.py [--objects 100000] [--repeats 5] [--window PNG]``. Opens the dock
over an annotation of so many nuclei (no network runs), does what a user does, and prints a Markdown table: the median
and the longest processor time, with everything that an action sets off, timers included. napari's drawing is not in it,
but for ``--window``, which opens a real one and takes its picture: then it is, with what OpenGL costs on this computer.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication
from skimage.draw import disk

from napari_cerberus.annotation.annotated_image import ModelRun
from napari_cerberus.annotation.object_columns import UNREVIEWED
from napari_cerberus.annotation.review.queue import ReviewFilter
from napari_cerberus.inference.annotate import Annotation
from napari_cerberus.inference.objects.found_objects import object_table
from napari_cerberus.progress import Job, Progress
from napari_cerberus.viewer.annotate.annotate_jobs import Request
from napari_cerberus.viewer.controller import Controller
from napari_cerberus.viewer.correct.autosave import JOURNALS_VARIABLE
from napari_cerberus.viewer.preferences import Memory
from napari_cerberus.viewer.session import JobState, ModelChoice
from napari_cerberus.widgets.dock import CerberusDock

STEP_PX = 16
_AFTERWARDS_S = 0.4
"""So long after an action the timers are through: the journal, the queue."""
KINDS = ("epithelial", "lymphocyte", "plasma")
Action = Callable[[], Any]


def nuclei(count: int) -> np.ndarray[Any, Any]:
    """Round objects on a grid, one every 16 px."""
    side = int(np.ceil(np.sqrt(count)))
    labels = np.zeros((side * STEP_PX, side * STEP_PX), np.int32)
    for number in range(count):
        row, column = divmod(number, side)
        labels[disk((row * STEP_PX + 8, column * STEP_PX + 8), 4 + number % 3)] = number + 1
    return labels


def answer_with(labels: np.ndarray[Any, Any]) -> Callable[[Request], Job[Annotation]]:
    """A job that finds these labels."""

    def job(request: Request) -> Job[Annotation]:
        yield Progress("Reading")
        count, rng = int(labels.max()), np.random.default_rng(0)
        kinds = [KINDS[number] for number in rng.integers(0, len(KINDS), count)]
        table = object_table(
            "nuclei", labels, 0.5, confidence=rng.uniform(0.3, 1, count), classes=(kinds, rng.uniform(0.5, 1, count))
        )
        run = ModelRun(model_name="squares", device="cpu", precision="exact", device_reason="No network ran.")
        return Annotation(
            frame=request.picture.frame,
            pixel_size=request.pixel_size,
            labels={"nuclei": labels},
            objects=table,
            runs={"nuclei": run},
        )

    return job


def one_model() -> Job[tuple[ModelChoice, ...]]:
    """What the list of models shows."""
    yield Progress("Looking for models")
    return (ModelChoice(name="squares", predicts=("nuclei",), pixel_size_um=0.5, sha256=""),)


def settle(wait_s: float) -> None:
    """Run what is due, timers included, for a while."""
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.002)


class Bench:
    """The window, and how long things take in it."""

    def __init__(self, objects: int, folder: Path, *, window: bool) -> None:
        labels = nuclei(objects)
        self.viewer: Any = napari.Viewer() if window else ViewerModel()
        jobs = {"annotate": answer_with(labels), "list_models": one_model}
        self.dock = CerberusDock(self.viewer, Controller(self.viewer, Memory(folder / "memory.json"), **jobs))
        if window:
            self.viewer.window.add_dock_widget(self.dock, name="Cerberus", area="right")
        pixels = np.full((*labels.shape, 3), 220, np.uint8)
        self.viewer.add_image(pixels, rgb=True, name="tile", scale=(0.5, 0.5), units=("um", "um"))
        self.session, self.correct = self.dock.controller.session, self.dock.controller.correct
        self._idle_s = 0.0

    def time(self, what: str, action: Action, *, before: Action = lambda: None, repeats: int = 1) -> None:
        """Note how long an action keeps the processor, with everything that it sets off."""
        times = []
        for _ in range(repeats):
            before()
            settle(_AFTERWARDS_S)
            times.append(self._busy_s(action))
        self.say(what, times)

    def say(self, what: str, times: Sequence[float]) -> None:
        """Print a row."""
        print(f"| {what} | {statistics.median(times):.3f} | {max(times):.3f} |", flush=True)

    def _busy_s(self, action: Action) -> float:
        start = time.process_time()
        action()
        settle(_AFTERWARDS_S)
        return max(time.process_time() - start - self._idle_s, 0.0)

    def annotate(self) -> None:
        """Click the button, and wait for layers and queue; then for the reasons that are looked for beside."""
        while not self.session.models:
            settle(0.05)
        start = time.process_time()
        self.dock.controller.annotate()
        while self.session.job.state.busy:
            settle(0.01)
        if self.session.job.state is not JobState.RETURNED:
            raise SystemExit(self.session.job.message)
        self.correct.review.queued()
        self.say("annotate: table, layer, queue", [time.process_time() - start])
        start = time.process_time()
        while self.correct.review._jobs.busy:
            settle(0.01)
        self.say("look for reasons, beside the window", [time.process_time() - start])
        start = time.process_time()
        settle(_AFTERWARDS_S)
        self._idle_s = time.process_time() - start


def measure(bench: Bench, repeats: int, folder: Path) -> None:
    """What a user does."""
    bench.annotate()
    one = next(iter(bench.correct.corrections))
    bench.viewer.layers.selection.active = one.layer
    review, tools, corrections = bench.correct.review, bench.correct.tools, bench.correct.corrections
    chosen = iter(range(1000, 100_000, 7))

    def choose() -> None:
        corrections.choose(one, next(chosen))

    bench.time("choose an object", choose, repeats=repeats)
    bench.time("next of the queue", review.next, repeats=repeats)
    bench.time("accept and go on", review.accept, before=review.next, repeats=repeats)
    for name in ("grow", "split", "delete"):
        bench.time(name, lambda name=name: tools.use(name), before=choose, repeats=repeats)
    bench.time("change the class", lambda: tools.number(2), before=choose, repeats=repeats)
    bench.time("undo a class", corrections.undo, before=lambda: tools.number(1), repeats=repeats)
    bench.time("undo a delete", corrections.undo, before=lambda: (choose(), tools.use("delete")), repeats=repeats)
    bench.time("redo a delete", corrections.redo, before=corrections.undo, repeats=1)
    bench.time("filter the queue", lambda: review.filter(ReviewFilter(states=(UNREVIEWED,))), repeats=1)
    bench.time("save", lambda: bench.correct.save(folder / "a.cerberus"))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--window", type=Path, metavar="PNG", help="in a real window, whose picture goes here")
    options = parser.parse_args()
    print(f"{options.objects:,} nuclei, median of {options.repeats}\n\n| | median s | longest s |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        os.environ[JOURNALS_VARIABLE] = str(Path(folder) / "journals")
        application = QApplication.instance() or QApplication([])
        bench = Bench(options.objects, Path(folder), window=options.window is not None)
        measure(bench, options.repeats, Path(folder))
        if options.window:
            bench.viewer.screenshot(str(options.window), canvas_only=False, flash=False)
        bench.dock.controller.close()
        application.processEvents()


if __name__ == "__main__":
    main()
