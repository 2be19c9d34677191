"""A real napari process that annotates, saves with File ▸ Save, draws an object, saves again and dies while it writes.

Prints ``saved 0`` and, where it was not killed, ``saved 1``: how many drawn objects the saved folder holds.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from killed_session import HEIGHT, WIDTH, _draw


def main() -> None:
    """Save into the folder ``sys.argv[1]``; the second time die at the n-th event of a kind in it (``KIND N``)."""
    import napari
    from qtpy.QtTest import QTest

    from fake_jobs import FakeAnnotate, he_like, no_pixel_size, two_models
    from napari_cerberus.viewer.controller import Controller
    from napari_cerberus.viewer.preferences import Memory
    from napari_cerberus.viewer.session import JobState
    from napari_cerberus.widgets.dock import CerberusDock

    target, kind, step = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    viewer = napari.Viewer()
    viewer.add_image(he_like(HEIGHT, WIDTH), rgb=True, name="tile", scale=(0.5, 0.5), units=("um", "um"))
    controller = Controller(
        viewer,
        Memory(target.parent / "memory.json"),
        annotate=FakeAnnotate(),
        list_models=two_models,
        read_pixel_size=no_pixel_size,
    )
    dock = CerberusDock(viewer, controller)
    viewer.window.add_dock_widget(dock)
    dock.annotate.annotate.click()
    while controller.session.job.state is not JobState.RETURNED:
        QTest.qWait(20)
    _save(viewer, target, 0)
    next(_draw(controller, viewer, 1))
    _die_at(kind, step, target)
    _save(viewer, target, 1)


def _save(viewer: Any, target: Path, drawn: int) -> None:
    assert viewer.layers.save(str(target)) == [str(target)]
    sys.stdout.write(f"saved {drawn}\n")
    sys.stdout.flush()


def _die_at(kind: str, step: int, target: Path) -> None:
    """Nothing is cleaned up: ``kill -9`` just before the n-th such event on the folder or on what becomes it."""
    seen = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event == kind and any(
            str(target.parent) in str(one) and ("napari-cerberus-new" in str(one) or target.name in str(one))
            for one in arguments
        ):
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


if __name__ == "__main__":
    main()
