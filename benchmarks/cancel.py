"""How long can a cancel take? The longest time between two steps of annotating a large image.

    python benchmarks/cancel.py [--side-px 8000] [--for-s 60]

A job stops at its next step, so its longest step is the longest wait. The shipped sample, repeated, is read for so many
seconds: to the end it would take the better part of an hour on two cores. What comes after the network is done on the
sample's own answer, repeated to the same size, and for as many seconds. Beside the seconds on the clock stand those
that a processor worked, which a computer busy with other things does not lengthen.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np

from napari_cerberus.inference.annotate import annotate
from napari_cerberus.inference.annotate_settings import AnnotateSettings
from napari_cerberus.inference.blocks.by_blocks import objects_by_blocks
from napari_cerberus.inference.device import choose_runtime
from napari_cerberus.inference.grid.model_grid import ModelGrid
from napari_cerberus.inference.predict import Prediction
from napari_cerberus.inference.read_image import read_image
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.progress import Job, run_to_end
from napari_cerberus.viewer.io.sample_data import synthetic_colon


def repeated(array: np.ndarray[Any, Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """``array`` side by side and one under another until it fills ``shape``."""
    times = [-(-wanted // there) for wanted, there in zip(shape, array.shape, strict=True)]
    return np.tile(array, times)[tuple(slice(wanted) for wanted in shape)]


def longest_steps(job: Job[Any], for_s: float) -> dict[str, np.ndarray[Any, Any]]:
    """Seconds of the longest step after each stage, on the clock and of a processor, as far as the job came."""
    longest: dict[str, np.ndarray[Any, Any]] = {}
    stage, last = "start", _clocks()
    begun = last[0]
    try:
        for step in job:
            now = _clocks()
            longest[stage] = np.maximum(longest.get(stage, 0.0), now - last)
            last, stage = now, step.stage
            if now[0] - begun > for_s:
                break
    finally:
        job.close()
    return longest


def _clocks() -> np.ndarray[Any, Any]:
    return np.array([time.perf_counter(), time.process_time()])


def repeated_prediction(pixels: Any, model: Any, um: float, side_px: int) -> Prediction:
    """The network's answer to the sample, repeated on the grids of the large image."""
    seen = run_to_end(read_image(pixels, model, choose_runtime("auto"), um)).prediction
    shapes = {
        task.key: ModelGrid.of((side_px, side_px), um, model.spec.pixel_size_of(task.key)).shape
        for task in model.spec.tasks
    }
    return replace(
        seen,
        probabilities={key: repeated(one, (2, *shapes[key])) for key, one in seen.probabilities.items()},
        type_maps={key: repeated(one, shapes[key]) for key, one in seen.type_maps.items()},
    )


def main(arguments: list[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side-px", type=int, default=8000)
    parser.add_argument("--for-s", type=float, default=60.0)
    chosen = parser.parse_args(arguments)
    ((pixels, settings, _kind),) = synthetic_colon()
    model, side, um = open_model("starter"), chosen.side_px, float(settings["scale"][0])
    how = AnnotateSettings(pixel_size_um=um)
    image = repeated(pixels, (side, side, 3))
    steps = longest_steps(annotate(image, model, how), chosen.for_s)
    large = repeated_prediction(pixels, model, um, side)
    steps |= longest_steps(objects_by_blocks(large, model, how, (side, side)), chosen.for_s)
    for stage, (clock, worked) in steps.items():
        print(f"{clock:5.1f} s, {worked:4.1f} s worked, after “{stage}”")
    clock, worked = np.max(list(steps.values()), axis=0)
    print(f"longest step {clock:.1f} s, {worked:.1f} s worked, {side} px")
    return 0


if __name__ == "__main__":
    sys.exit(main())
