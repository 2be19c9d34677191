"""Does napari's window stay live over an annotated slide of a million nuclei? Measures the gaps of its event loop.

    xvfb-run -a -s "-screen 0 1600x1000x24 +extension GLX" python benchmarks/slide_window.py [--window PNG]

Writes a painted slide (OME-Zarr) and the result of a run over it as ``annotate_slide`` leaves it (OME-Zarr labels of
nuclei, glands and lumina in several resolutions, a Parquet table, overviews; no network runs): a nucleus every 16 px,
so 1,048,576 of them on 16,384 px. Then opens both in a window with the dock and moves the view 30 times a second, at
several magnifications, with the slide alone and with all objects. Noted is the time between the ticks of a 5 ms timer:
by the clock, and how much of it the main thread was at work, which says the same on a busy computer. Where no graphics
card draws, the processor does, and that is in it; the rows with the slide alone say how much that is. ``--folder``
keeps what was written, for another time.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pandas as pd
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication
from skimage.draw import disk

from napari_cerberus.inference.blocks.block_layout import Layout
from napari_cerberus.inference.grid.model_grid import ModelGrid, Window
from napari_cerberus.slides import open_slide
from napari_cerberus.slides.overviews import Overviews
from napari_cerberus.slides.slide_folder import RunFolder
from napari_cerberus.widgets.dock import CerberusDock
from slide import UM, paint

AIM_MS, TICK_MS, MOVE_MS, STEP_SCREEN_PX = 50, 5, 33, 25
TASKS = {"glands": (256, 110), "lumina": (256, 40), "nuclei": (16, 5)}
"""Of each task how far apart objects lie, and their radius, in pixels."""
MODEL_UM, BLOCK_PX, CELL_PX = 1.0, 512, 64
MAGNIFICATIONS = {"a pixel a pixel": 1.0, "2 px a pixel": 0.5, "8 px a pixel": 0.125, "32 px a pixel": 1 / 32}


def write_run(slide_path: Path, folder: Path) -> int:
    """A finished run over a slide; returns how many objects it has."""
    slide = open_slide(slide_path)
    layout = Layout.of(ModelGrid.of(slide.shape, UM, MODEL_UM), BLOCK_PX)
    folder.mkdir(parents=True, exist_ok=True)
    run = RunFolder(folder, layout)
    about = {"slide": slide.name, "image_key": slide.key, "image_shape_px": list(slide.shape), "tissue_classes": []}
    run.begin({**about, "pixel_yx_um": [UM, UM], "model": "painted"}, tuple(TASKS), (UM, UM))
    for place in layout.label_blocks():
        window = layout.label_window(place)
        parts = [_objects(task, window, slide.shape[1]) for task in TASKS]
        for task, (labels, _) in zip(TASKS, parts, strict=True):
            run.write_labels(task, window, labels)
        run.write_objects(place, pd.concat([table for _, table in parts], ignore_index=True))
    rng, cells = np.random.default_rng(0), -(-slide.shape[0] // CELL_PX)
    Overviews(
        mask=np.ones((cells, cells), bool),
        mask_px=CELL_PX,
        tissue=np.zeros((0, cells, cells), np.uint8),
        uncertainty=rng.integers(1, 255, (cells, cells)).astype(np.uint8),
        cell_px=(CELL_PX, CELL_PX),
    ).write(folder)
    return run.finish(layout.label_blocks(), {"tissue_mm2": 0.0, "device": "none", "notes": []})


def _objects(task: str, window: Window, width: int) -> tuple[np.ndarray, pd.DataFrame]:
    """Labels and table of one task in a block; an object's number is the place of its first pixel."""
    apart, radius = TASKS[task]
    pattern = np.zeros((apart, apart), bool)
    pattern[disk((apart // 2, apart // 2), radius)] = True
    first_row, first_column = (int(one[0]) for one in np.nonzero(pattern))
    rows, columns = np.arange(window.y0, window.y1), np.arange(window.x0, window.x1)
    firsts = (rows // apart * apart + first_row)[:, None] * width + columns // apart * apart + first_column + 1
    inside = pattern[np.ix_(rows % apart, columns % apart)]
    tops, lefts = rows[rows % apart == 0], columns[columns % apart == 0]
    top, left = (side.ravel() for side in np.meshgrid(tops, lefts, indexing="ij"))
    low, high = apart // 2 - radius, apart // 2 + radius
    table = pd.DataFrame(
        {"task": task, "index": (top + first_row) * width + left + first_column + 1, "class": "", "confidence": 0.5}
    )
    table[["class_probability", "area_um2"]] = float(pattern.sum()) * UM**2
    table["centroid_y_px"], table["centroid_x_px"] = top + apart / 2, left + apart / 2
    table["y0_px"], table["x0_px"], table["y1_px"], table["x1_px"] = top + low, left + low, top + high, left + high
    return np.where(inside, firsts, 0).astype(np.uint64), table


@dataclass
class Gaps:
    """Times between ticks in ms: by the clock, and at work in this thread."""

    clock: list[float] = field(default_factory=list)
    work: list[float] = field(default_factory=list)
    last: tuple[float, float] = field(default_factory=lambda: (time.perf_counter(), time.thread_time()))

    def tick(self) -> None:
        """Note one."""
        now = time.perf_counter(), time.thread_time()
        self.clock.append(1000 * (now[0] - self.last[0]))
        self.work.append(1000 * (now[1] - self.last[1]))
        self.last = now

    def row(self, what: str) -> str:
        """A line of the table."""
        clock, work = np.array(self.clock), np.array(self.work)
        late = f"{int((work > AIM_MS).sum())} of {len(work):,}"
        return f"| {what} | {clock.max():.0f} | {work.max():.0f} | {np.percentile(work, 99):.0f} | {late} |"


def measure(seconds: float, move: Callable[[], None] = lambda: None) -> Gaps:
    """Run the event loop for a while and move the view."""
    gaps, ticking, moving = Gaps(), QTimer(), QTimer()
    for timer, called, every in ((ticking, gaps.tick, TICK_MS), (moving, move, MOVE_MS)):
        timer.setTimerType(Qt.TimerType.PreciseTimer)
        timer.timeout.connect(called)
        timer.start(every)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.0005)
    moving.stop()
    ticking.stop()
    return gaps


def panning(viewer: Any, side: int) -> Callable[[], None]:
    """Moves the view along a diagonal and back, by the same way on the screen at any magnification."""
    camera, numbers = viewer.scene.camera, itertools.count()
    span = side * UM

    def move() -> None:
        way = next(numbers) * STEP_SCREEN_PX / camera.zoom
        camera.center = (0.0, *(span * 0.25 + np.abs((np.array([way, 0.6 * way]) % span) - span / 2)).tolist())

    return move


def compare(slide: Path, folder: Path, seconds: float, picture: Path | None) -> None:
    """Open the window, and print the rows."""
    viewer = napari.Viewer()
    dock = CerberusDock(viewer)
    viewer.window.add_dock_widget(dock, name="Cerberus", area="right")
    viewer.open(str(slide), plugin="napari-cerberus")
    began = time.perf_counter()
    dock.controller.slide_run.look(folder)
    print(f"Opening the result took {time.perf_counter() - began:.1f} s.")
    measure(5.0)
    side = open_slide(slide).shape[0]
    results = [layer for layer in viewer.layers if layer.name.endswith("(slide)") and layer.visible]
    print("| | longest gap, ms | of it at work, ms | 99 % of work below, ms | over the aim |\n|---|---|---|---|---|")
    print(measure(seconds).row("nothing moves"), flush=True)
    for shown, objects in (("the slide alone", False), ("with all objects", True)):
        for layer in results:
            layer.visible = objects
        for name, pixels in MAGNIFICATIONS.items():
            viewer.scene.camera.zoom = pixels / UM
            measure(2.0)
            print(measure(seconds, panning(viewer, side)).row(f"{name}, {shown}"), flush=True)
            if picture is not None:
                viewer.screenshot(str(picture.with_stem(f"{picture.stem}_{objects}_{pixels:g}")), canvas_only=False)
    viewer.close()


def main() -> None:
    """Write, open, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=16_384, help="of the slide, in pixels; default: %(default)s")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each row; default: %(default)s")
    parser.add_argument("--folder", type=Path, help="keep slide and run here, and take what is there")
    parser.add_argument("--window", type=Path, help="also keep pictures of the window")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        os.environ["NAPARI_CERBERUS_JOURNALS"] = str(Path(scratch) / "journals")
        slide, run = folder / "painted.zarr", folder / "run"
        if not (run / "objects.parquet").is_file():
            paint(slide, arguments.side)
            print(f"{write_run(slide, run):,} objects on {arguments.side:,} × {arguments.side:,} px")
        load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
        print(f"{os.cpu_count()} cores{load}; aim {AIM_MS} ms")
        compare(slide, run, arguments.seconds, arguments.window)


if __name__ == "__main__":
    main()
