"""A real napari process that finishes an area and learns from it, step by step, until it is killed.

Prints ``step N`` at every step of the learning (a tiny network, really taught); after a restart it prints what is
there: ``areas N`` and ``learned yes`` or ``no``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEIGHT, WIDTH = 60, 80
MOST_STEPS = 400


def finished_labels() -> NDArray[np.int32]:
    """The gland layer when its corner is finished: what was found, and two drawn objects."""
    labels = np.zeros((HEIGHT, WIDTH), np.int32)
    labels[1:11, 1:11] = 1
    labels[20:32, 3:14], labels[36:50, 5:20] = 2, 3
    return labels


def slowly(order: Any, _open_model: Any) -> Any:
    """Learning as it is, with a tiny model, many steps and a pause at each of them."""
    from napari_cerberus.viewer.adapt.learn_jobs import learn_here
    from tiny import tiny_model

    job = learn_here(order, lambda name: tiny_model(pixel_size_um=0.5))
    for number in range(MOST_STEPS):
        step = next(job)
        sys.stdout.write(f"step {number}\n")
        sys.stdout.flush()
        yield step
        time.sleep(0.05)
    return (yield from job)


def main() -> None:
    """Open; annotate, draw, finish and learn; or restore and say what is there."""
    import napari
    from qtpy.QtTest import QTest

    from fake_jobs import FakeAnnotate, FakeLearn, he_like, no_pixel_size, two_models
    from napari_cerberus.viewer.adapt.learn_jobs import LearnJobs
    from napari_cerberus.viewer.controller import Controller
    from napari_cerberus.viewer.placement import Box
    from napari_cerberus.viewer.preferences import Memory
    from napari_cerberus.viewer.session import JobState
    from napari_cerberus.widgets.dock import CerberusDock

    viewer = napari.Viewer()
    viewer.add_image(he_like(HEIGHT, WIDTH), rgb=True, name=sys.argv[2], scale=(0.5, 0.5), units=("um", "um"))
    controller = Controller(
        viewer,
        Memory(Path(sys.argv[1]) / "memory.json"),
        annotate=FakeAnnotate(),
        list_models=two_models,
        read_pixel_size=no_pixel_size,
        learn_jobs=LearnJobs(learn=slowly, measure=FakeLearn()._measure),
    )
    controller.learning.by_itself = False
    dock = CerberusDock(viewer, controller)
    viewer.window.add_dock_widget(dock)
    if dock.offers.restore.isVisibleTo(dock.offers):
        dock.offers.restore.click()
        QTest.qWait(500)
        learned = controller.learning.adapted is not None
        sys.stdout.write(f"areas {len(controller.finishing.areas())}\nlearned {'yes' if learned else 'no'}\n")
        sys.stdout.flush()
        return
    dock.annotate.annotate.click()
    while controller.session.job.state is not JobState.RETURNED:
        QTest.qWait(20)
    glands = next(one for one in controller.correct.corrections if one.task == "glands").layer
    viewer.layers.selection.active = glands
    changed = np.nonzero(finished_labels() != glands.data)
    glands.data_setitem(changed, finished_labels()[changed])
    controller.correct.sync()
    controller.finishing.finish(Box(y0=0, x0=0, y1=HEIGHT, x1=40))
    QTest.qWait(500)
    dock.learn.learn.click()
    while controller.learning.busy:
        QTest.qWait(20)
    sys.stdout.write(f"ended {controller.learning.status.message}\n")


if __name__ == "__main__":
    main()
