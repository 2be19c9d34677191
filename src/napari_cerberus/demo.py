"""``napari-cerberus demo``: napari with a tile, the dock open, Annotate clicked, as a user would do it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from .errors import CerberusError, InstallationError
from .pixel_size import EBHI_SEG

if TYPE_CHECKING:
    from .viewer.session import JobStatus, RunSummary
    from .widgets.dock import CerberusDock

PLUGIN = "napari-cerberus"
DOCK = "Cerberus H&E annotation"
EBHI_TILE = Path("ebhi-seg") / "Low-grade IN" / "image" / "GT2012149-2-400-005.webp"
"""Of a patient whom the starter model never saw."""
_WINDOW_PX = (1500, 940)
_SETTLE_MS = 1500
_PATIENCE_MS = 900_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``demo``."""
    parser.add_argument(
        "--screenshot",
        type=Path,
        metavar="PNG",
        help="save a picture of the window when the result is there, print the summary and close",
    )


def run(arguments: argparse.Namespace) -> int:
    """Open the window and click; 1 if the annotation failed.

    Raises
    ------
    InstallationError
        If Qt is missing.
    CerberusError
        If there is no display.
    """
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise CerberusError(
            "There is no display to open a window on; run 'make demo', or "
            "'xvfb-run -a -s \"-screen 0 1600x1000x24 +extension GLX\" napari-cerberus demo --screenshot demo.png'."
        )
    try:
        import napari
        import qtpy  # noqa: F401 - raises where no Qt is installed
    except ImportError as error:
        raise InstallationError(
            f"napari's window cannot be opened ({error}); run: pip install 'napari-cerberus[all]'"
        ) from error
    with TemporaryDirectory() as folder:
        viewer = napari.Viewer(title="napari-cerberus")
        viewer.window.resize(*_WINDOW_PX)
        open_tile(viewer, Path(folder))
        demo = Demo(viewer, open_dock(viewer), arguments.screenshot)
        napari.run()
    return demo.exit_code


def find_tile() -> Path | None:
    """A real tile in the training data beside the project (or in ``CERBERUS_DATA``); None where there are none."""
    temporary = Path(__file__).resolve().parents[3] / "shared" / "data"
    root = Path(os.environ.get("CERBERUS_DATA") or temporary)
    others = sorted(root.glob("ebhi-seg/*/image/*.webp"))
    return root / EBHI_TILE if (root / EBHI_TILE).is_file() else (others[0] if others else None)


def open_tile(viewer: Any, folder: Path) -> None:
    """Open a real EBHI tile, or the shipped H&E field where there is none.

    Parameters
    ----------
    viewer : napari.Viewer
    folder : Path
        Where the tile is put as PNG, as it was published: napari opens no WebP.
    """
    tile = find_tile()
    if tile is None:
        viewer.open_sample(PLUGIN, "he_field")
        return
    from PIL import Image

    from .decode_errors import PICTURE_FORMATS

    path = folder / f"{tile.stem}.png"
    with Image.open(tile, formats=PICTURE_FORMATS) as picture:
        picture.convert("RGB").save(path)
    viewer.open(path, plugin="napari", scale=EBHI_SEG.yx_um, units=("micrometer", "micrometer"))


def open_dock(viewer: Any) -> CerberusDock:
    """Open our dock as the Plugins menu does."""
    dock: CerberusDock = viewer.window.add_plugin_dock_widget(PLUGIN, DOCK)[1]
    return dock


def summary(readout: RunSummary, pixel_size: str) -> str:
    """What was found, in a few lines for the terminal."""
    from .viewer.annotate.annotation_result import summary_sentence

    lines = [
        f"Image: {readout.image_name}, pixel size {pixel_size}",
        f"Model: {readout.model_name}",
        f"Found: {summary_sentence(readout)}",
        f"Device: {readout.device_reason}",
    ]
    if readout.tissue:
        ranked = sorted(readout.tissue.items(), key=lambda item: -item[1])
        lines.append("Tissue: " + ", ".join(f"{name} {100 * share:.0f} %" for name, share in ranked))
    lines += [f"Note: {note}" for note in readout.notes]
    return "\n".join(lines) + "\n"


class Demo:
    """Clicks Annotate as soon as there is a model, and tells the end.

    Parameters
    ----------
    viewer : napari.Viewer
    dock : CerberusDock
    screenshot : Path or None
        Where to save a picture of the window; the window is closed after it. None leaves it open.

    Attributes
    ----------
    exit_code : int
        0 after a result, else 1.
    """

    def __init__(self, viewer: Any, dock: CerberusDock, screenshot: Path | None) -> None:
        from qtpy.QtCore import QTimer

        self.exit_code = 1
        self._viewer, self._dock, self._screenshot = viewer, dock, screenshot
        self._after = QTimer.singleShot
        self._session = dock.controller.session
        self._stage = ""
        self._session.events.models.connect(self._on_models)
        self._session.events.job.connect(self._on_job)
        if screenshot is not None:
            self._after(_PATIENCE_MS, self._give_up)

    def _on_models(self) -> None:
        if self._session.models:
            self._after(_SETTLE_MS, self._click)

    def _click(self) -> None:
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest

        self._viewer.reset_view()
        QTest.mouseClick(self._dock.annotate.annotate, Qt.MouseButton.LeftButton)

    def _on_job(self, job: JobStatus) -> None:
        from .viewer.session import JobState

        if job.stage and job.stage != self._stage:
            self._stage = job.stage
            sys.stderr.write(f"{job.stage}\n")
        if job.state is JobState.RETURNED:
            self.exit_code = 0
            self._after(_SETTLE_MS, self._finish)
        elif job.state in (JobState.FAILED, JobState.CANCELLED):
            sys.stderr.write(f"{job.message}\n")
            self._after(_SETTLE_MS, self._finish)

    def _finish(self) -> None:
        readout, size = self._session.readout, self._session.pixel_size
        if readout is not None and size is not None:
            sys.stdout.write(summary(readout, f"{size}, {size.source.value}"))
            sys.stdout.flush()
        if self._screenshot is None:
            return
        from .files import atomic_path

        self._viewer.reset_view()
        with atomic_path(self._screenshot) as temporary:
            self._viewer.window.screenshot(str(temporary), canvas_only=False, flash=False)
        sys.stdout.write(f"Picture of the window: {self._screenshot}\n")
        self._viewer.close()

    def _give_up(self) -> None:
        sys.stderr.write(f"No result within {_PATIENCE_MS // 60_000} minutes.\n")
        self.exit_code = 1
        self._viewer.close()
