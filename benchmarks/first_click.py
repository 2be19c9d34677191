"""How much longer does the first click take than a later one, and how long does a cancel take?

    python benchmarks/first_click.py [--ready] [--cancel-side-px 8000]

The dock's controller is opened on the shipped sample. With ``--ready`` the click comes when the model was loaded in the
background; without it, at once. Only ratios are comparable between computers. With ``--cancel-side-px`` the longest
time between two steps of an annotation of so large an image is printed too: so long a cancel can take.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication

from napari_cerberus.inference.annotate import AnnotateSettings, annotate
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.viewer.controller import Controller
from napari_cerberus.viewer.io.sample_data import synthetic_colon
from napari_cerberus.viewer.preferences import Memory

PATIENCE_S = 600.0


def wait_until(done: object) -> float:
    """Run the window's events until ``done()``; the seconds it took."""
    started = time.perf_counter()
    while not done():  # type: ignore[operator]
        QApplication.processEvents()
        time.sleep(0.005)
        if time.perf_counter() - started > PATIENCE_S:
            raise TimeoutError("The window did not come to an end.")
    return time.perf_counter() - started


def click(controller: Controller) -> float:
    """Seconds from a click on Annotate to layers."""
    controller.annotate()
    seconds = wait_until(lambda: not controller.session.job.state.busy)
    print(controller.session.job.message)
    return seconds


def clicks(*, ready: bool) -> None:
    """Print the first click, the second one, and their ratio."""
    viewer = ViewerModel()
    ((pixels, settings, _kind),) = synthetic_colon()
    viewer.add_image(pixels, **settings)
    controller = Controller(viewer, Memory())
    controller.look_up_models()
    wait_until(lambda: controller.session.model is not None)
    if ready:
        print(f"loaded in the background in {wait_until(lambda: not controller.loading.busy):.1f} s")
    first, second = click(controller), click(controller)
    print(f"first {first:.1f} s, second {second:.1f} s, ratio {first / second:.2f}")
    controller.close()


def longest_step(side_px: int) -> None:
    """Print the longest time between two steps on an image of the sample, repeated."""
    ((pixels, settings, _kind),) = synthetic_colon()
    times = -(-side_px // pixels.shape[0])
    image = np.tile(pixels, (times, times, 1))[:side_px, :side_px]
    model = open_model("starter")
    longest, stage, before = 0.0, "", ""
    last = time.perf_counter()
    for step in annotate(image, model, AnnotateSettings(pixel_size_um=settings["scale"][0])):
        now = time.perf_counter()
        if now - last > longest:
            longest, stage = now - last, f"{before} → {step.stage}"
        last, before = now, step.stage
    print(f"longest step {longest:.1f} s ({stage}), {side_px} px")


def main(arguments: list[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ready", action="store_true")
    parser.add_argument("--cancel-side-px", type=int)
    chosen = parser.parse_args(arguments)
    application = QApplication.instance() or QApplication([])
    clicks(ready=chosen.ready)
    if chosen.cancel_side_px:
        longest_step(chosen.cancel_side_px)
    del application
    return 0


if __name__ == "__main__":
    sys.exit(main())
