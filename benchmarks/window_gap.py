"""Does napari's window stay live while a model is fine-tuned? Measures the longest gap of its event loop.

    python benchmarks/window_gap.py --pairs FOLDER [--preset standard] [--seconds 60]

Opens napari with the drawn tile and the dock and notes the time between the ticks of a 5 ms timer: with nothing else
going on; while one word in the dock changes every second; and while the starter is fine-tuned in its process and the
dock follows it (the first ten seconds, in which both load, are told apart). The second is what any dock that shows
progress costs at the least: Qt draws a window that holds an OpenGL canvas as a whole, which is slow where no graphics
card does it. A full garbage collection of Python's, which comes seldom, stops any napari window: how many came is told,
and how long one takes. Models and runs lie in a temporary folder, and the run is thrown away at the end. Printed is a
Markdown table.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import napari
import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication, QLabel, QWidget

from napari_cerberus.finetune.finetune_plan import prepare
from napari_cerberus.finetune.finetune_settings import PRESETS, FinetuneSettings
from napari_cerberus.finetune.run import process
from napari_cerberus.finetune.run_state import LIVE, read_state
from napari_cerberus.progress import run_to_end
from napari_cerberus.widgets.dock import CerberusDock

TICK_MS = 5
AIM_MS = 50
LOADING_S = 10.0
WAIT_S = 300.0


@dataclass
class Gaps:
    """Times between ticks, in ms, and full garbage collections meanwhile."""

    last: float = field(default_factory=time.perf_counter)
    all: list[float] = field(default_factory=list)
    collections: int = 0

    def tick(self) -> None:
        """Note one."""
        now = time.perf_counter()
        self.all.append(1000 * (now - self.last))
        self.last = now

    def row(self, what: str) -> str:
        """A line of the table."""
        gaps = np.array(self.all)
        late = int((gaps > AIM_MS).sum())
        metrics = f"{gaps.max():.0f} | {np.percentile(gaps, 99.9):.0f} | {np.median(gaps):.1f}"
        return f"| {what} | {metrics} | {late} | {self.collections} |"


def measure(seconds: float, until: Callable[[], bool] = lambda: False) -> Gaps:
    """Run the event loop for a while, or until something is so."""
    gaps, collected = Gaps(), _full_collections()
    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(gaps.tick)
    timer.start(TICK_MS)
    end, look = time.monotonic() + seconds, time.monotonic()
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.0005)
        if time.monotonic() - look > 1:
            look = time.monotonic()
            if until():
                break
    timer.stop()
    gaps.collections = _full_collections() - collected
    return gaps


def _full_collections() -> int:
    return int(gc.get_stats()[-1]["collections"])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, required=True, help="folder of training pairs")
    parser.add_argument("--preset", choices=PRESETS, default="standard")
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NAPARI_CERBERUS_MODELS"] = str(Path(folder) / "models")
        os.environ["NAPARI_CERBERUS_RUNS"] = str(Path(folder) / "runs")
        compare(arguments.pairs, arguments.preset, arguments.seconds)


def _one_word(dock: QWidget, seconds: float) -> Gaps:
    label, timer, count = QLabel("0", dock), QTimer(), itertools.count()
    label.show()
    timer.timeout.connect(lambda: label.setText(str(next(count))))
    timer.start(1000)
    gaps = measure(seconds)
    timer.stop()
    label.deleteLater()
    return gaps


def compare(pairs: Path, preset: str, seconds: float) -> None:
    """Measure without a run, and with one."""
    settings = FinetuneSettings(pairs_folder=pairs, preset=preset, base_model="starter")  # type: ignore[arg-type]
    plan = run_to_end(prepare(settings))
    viewer = napari.Viewer()
    dock = CerberusDock(viewer)
    viewer.window.add_dock_widget(dock, name="Cerberus", area="right")
    viewer.open_sample("napari-cerberus", "synthetic_colon")
    measure(LOADING_S)
    rows = [measure(seconds).row("nothing else"), _one_word(dock, seconds).row("one word changes every second")]
    run = process.begin(plan)
    dock.controller.finetuning.look()
    dock.controller.finetuning.show(run)
    rows.append(measure(WAIT_S, lambda: read_state(run).step > 0).row("the run loads"))
    rows.append(measure(LOADING_S).row("its first curves"))
    rows.append(measure(seconds, lambda: read_state(run).status not in LIVE).row("it trains"))
    state = read_state(run)
    process.stop(run, "discard")
    for child in process._started:
        child.wait(WAIT_S)
    began = time.perf_counter()
    gc.collect()
    collecting = 1000 * (time.perf_counter() - began)
    viewer.close()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"{os.cpu_count()} cores{load}; {preset}, step {state.step} of {state.steps}; aim {AIM_MS} ms\n")
    print("| | longest gap, ms | 99.9 % below, ms | median, ms | over the aim | full collections |")
    print("\n".join(["|---|---|---|---|---|---|", *rows]))
    print(f"\nA full garbage collection takes {collecting:.0f} ms in this window.")


if __name__ == "__main__":
    main()
