"""How much longer does the first click take than a later one?

    python benchmarks/first_click.py [--ready]

The dock's controller is opened on the shipped sample. With ``--ready`` the click comes when the model was loaded in the
background; without it, at once. Only ratios are comparable between computers.
"""

from __future__ import annotations

import argparse
import sys
import time

from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication

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


def main(arguments: list[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ready", action="store_true")
    chosen = parser.parse_args(arguments)
    application = QApplication.instance() or QApplication([])
    clicks(ready=chosen.ready)
    del application
    return 0


if __name__ == "__main__":
    sys.exit(main())
