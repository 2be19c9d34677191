"""A real napari process that restores what there is and goes on drawing objects until it is killed.

Prints ``kept N`` when N objects should be safe. ``squares`` says what the layer holds after N objects. With ``again``
as third argument it draws, takes the result layers away, annotates anew and draws again, and prints for the second
drawing only.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEIGHT, WIDTH = 60, 80
MOST, BEFORE = 200, 9
_COLUMNS = 20


def squares(count: int) -> NDArray[np.int32]:
    """The gland layer after ``count`` drawn objects, (60, 80)."""
    labels = np.zeros((HEIGHT, WIDTH), np.int32)
    labels[1:11, 1:11] = 1
    for number in range(count):
        row, column = corner(number)
        labels[row : row + 2, column : column + 2] = number + 2
    return labels


def corner(number: int) -> tuple[int, int]:
    """Row and column of the first pixel of a drawn object."""
    row, column = divmod(number, _COLUMNS)
    return 15 + 4 * row, 4 * column


def main() -> None:
    """Open, restore or annotate, and draw until killed."""
    import napari
    from qtpy.QtTest import QTest

    from fake_jobs import FakeAnnotate, he_like, no_pixel_size, two_models
    from napari_cerberus.viewer.controller import Controller
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
    )
    dock = CerberusDock(viewer, controller)
    viewer.window.add_dock_widget(dock)
    if dock.offers.restore.isVisibleTo(dock.offers):
        dock.offers.restore.click()
    else:
        dock.annotate.annotate.click()
        while controller.session.job.state is not JobState.RETURNED:
            QTest.qWait(20)
    if sys.argv[3:] == ["again"]:
        for _ in _draw(controller, viewer, BEFORE):
            pass
        for layer in [one.layer for one in controller.correct.corrections]:
            viewer.layers.remove(layer)
            QTest.qWait(300)  # vispy crashes in Mesa where several layers vanish between two drawings; no plugin needed
        dock.annotate.annotate.click()
        while not list(controller.correct.corrections) or controller.session.job.state is not JobState.RETURNED:
            QTest.qWait(20)
    for number in _draw(controller, viewer, MOST):
        sys.stdout.write(f"kept {number}\n")
        sys.stdout.flush()


def _draw(controller: Any, viewer: Any, most: int) -> Iterator[int]:
    """Draw objects after those that are there; yields how many are safe."""
    from qtpy.QtTest import QTest

    from napari_cerberus.annotation.edits import draw_object

    glands = next(one for one in controller.correct.corrections if one.task == "glands")
    viewer.layers.selection.active = glands.layer
    for number in range(int(glands.tracked.objects["index"].max()) - 1, most):
        row, column = corner(number)
        outline = [(row, column), (row, column + 1), (row + 1, column + 1), (row + 1, column)]
        controller.correct.tools.run(
            lambda one, outline=outline: draw_object(one.tracked.labels, outline, new_id=one.tracked.next_id), "outline"
        )
        QTest.qWait(300)
        while controller.correct.autosave.is_waiting:  # within moments; a busy computer's are longer
            QTest.qWait(20)
        yield number + 1


if __name__ == "__main__":
    main()
