"""The picture strip of "Correct a corner": before, the finished corner, after, taken from the running program.

Opens napari with an image, clicks Annotate, puts true outlines into one corner as an annotator would, finishes that
corner and clicks Learn; then writes the three views side by side, and what the program said. By default the drawn
colon tile is used, whose labels are exact, recoloured by a rule to a stain that the starter does not know.

    python docs/corner_pictures.py docs/images/corner.png
    python docs/corner_pictures.py strip.png --image FIELD.png --labels LABELS.png --pixel-size-um 0.934 --task glands
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from qtpy.QtWidgets import QApplication
from skimage.color import hed2rgb, rgb2hed

from napari_cerberus.inference.images.image_files import read_image
from napari_cerberus.samples import SYNTHETIC_COLON
from napari_cerberus.viewer.controller import Controller
from napari_cerberus.viewer.correct.autosave import JOURNALS_VARIABLE
from napari_cerberus.viewer.placement import Box
from napari_cerberus.viewer.preferences import Memory
from napari_cerberus.viewer.session import JobState
from napari_cerberus.widgets.dock import CerberusDock

SIZE, GAP_PX, BLACK, WAIT_S = (1500, 950), 8, 8, 3600.0
STRANGE = (0.05, 0.2, 1.0)
"""Factors of haematoxylin, eosin and the rest: the starter finds some glands, wrongly, and not none at all."""


class Walk:
    """One window, worked as a user would."""

    def __init__(self, image: NDArray[np.uint8], pixel_size_um: float) -> None:
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(*SIZE)
        self.controller = Controller(self.viewer, Memory())
        self.controller.learning.by_itself = False
        self.dock = CerberusDock(self.viewer, self.controller)
        self.viewer.window.add_dock_widget(self.dock)
        scale = (pixel_size_um, pixel_size_um)
        self.viewer.add_image(image, rgb=True, name="field", scale=scale, units=("um", "um"))
        self.until(lambda: bool(self.controller.session.models))

    def until(self, done: Callable[[], bool]) -> None:
        """Keep the window alive until something is so."""
        end = time.monotonic() + WAIT_S
        while not done():
            if time.monotonic() > end:
                raise SystemExit("The program did not get there in time.")
            QApplication.processEvents()
            time.sleep(0.02)

    def annotate(self) -> None:
        """Click Annotate."""
        self.dock.annotate.annotate.click()
        self.until(lambda: not self.controller.session.job.state.busy)

    def finish(self, task: str, truth: NDArray[np.int32], corner: Box) -> None:
        """Put the truth into a corner of a layer, and finish it; objects that cross its edge are corrected whole."""
        layer = self.viewer.layers[f"field {task}"]
        self.viewer.layers.selection.active = layer
        inside = np.zeros(truth.shape, bool)
        inside[corner.slices] = True
        touched = np.isin(truth, np.setdiff1d(truth[inside], [0])) | inside
        wrong = np.isin(layer.data, np.setdiff1d(layer.data[inside], [0]))
        new = np.where(truth > 0, truth + int(layer.data.max()), 0)
        values = np.where(touched, new, np.where(wrong, 0, layer.data))
        changed = np.nonzero(values != layer.data)
        with layer.block_history():
            layer.data_setitem(changed, values[changed])
        self.controller.correct.sync()
        self.controller.finishing.finish(corner)

    def learn(self) -> str:
        """Click Learn; what was said."""
        self.dock.learn.learn.click()
        self.until(lambda: not self.controller.learning.status.state.busy)
        if self.controller.learning.status.state is not JobState.RETURNED:
            raise SystemExit(self.controller.learning.status.message)
        return self.controller.learning.status.message

    def look(self, task: str) -> Image.Image:
        """The canvas, with outlines of one task only."""
        for layer in self.viewer.layers:
            layer.visible = layer.name in ("field", f"field {task}") or layer.name.startswith("Cerberus finished")
        self.viewer.reset_view()
        self.until_drawn()
        return Image.fromarray(self.viewer.screenshot(canvas_only=True, flash=False)[..., :3])

    def until_drawn(self) -> None:
        """Let the canvas follow."""
        end = time.monotonic() + 0.6
        self.until(lambda: time.monotonic() > end)

    def window(self, path: Path) -> None:
        """The whole window, scrolled to the panel."""
        self.dock.steps.show_panel(self.dock.learn)
        self.until_drawn()
        self.viewer.window.screenshot(str(path), canvas_only=False, flash=False)


def main() -> int:
    """Take the pictures."""
    arguments = _arguments()
    image, truth = _material(arguments)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[JOURNALS_VARIABLE] = folder
        walk = Walk(image, arguments.pixel_size_um)
        try:
            walk.annotate()
            pictures = [walk.look(arguments.task)]
            height, width = truth.shape
            corner = Box(y0=0, x0=0, y1=round(height * arguments.share**0.5), x1=round(width * arguments.share**0.5))
            walk.finish(arguments.task, truth, corner)
            pictures.append(walk.look(arguments.task))
            said = walk.learn()
            pictures.append(walk.look(arguments.task))
            _strip(pictures, arguments.side_px).save(arguments.out, optimize=True)
            if arguments.window:
                walk.window(arguments.window)
        finally:
            walk.controller.close()
            walk.viewer.close()
    sys.stdout.write(said + "\n")
    return 0


def _strip(pictures: list[Image.Image], side: int) -> Image.Image:
    """Side by side in 256 colours, each cut to the image on its black canvas and made ``side`` pixels wide."""
    cut = []
    for one in pictures:
        shown = one.crop(one.convert("L").point(lambda value: 255 * (value > BLACK)).getbbox())
        cut.append(shown.resize((side, round(side * shown.height / shown.width)), Image.Resampling.LANCZOS))
    strip = Image.new("RGB", (len(cut) * (side + GAP_PX) - GAP_PX, max(one.height for one in cut)), "white")
    for place, one in enumerate(cut):
        strip.paste(one, (place * (side + GAP_PX), 0))
    return strip.quantize(256, dither=Image.Dither.NONE)


def _material(arguments: argparse.Namespace) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    if arguments.image is not None:
        return read_image(arguments.image).pixels[..., :3], _labels(arguments.labels)
    arguments.pixel_size_um = SYNTHETIC_COLON.pixel_size_um
    rgb = read_image(SYNTHETIC_COLON.image_path).pixels[..., :3]
    strange = hed2rgb(rgb2hed(rgb) * np.array(STRANGE))
    return (strange * 255).round().astype(np.uint8), _labels(SYNTHETIC_COLON.labels_path(arguments.task))


def _labels(path: Path) -> NDArray[np.int32]:
    read: Any = tifffile.imread(path) if path.suffix in (".tif", ".tiff") else np.array(Image.open(path))
    return np.asarray(read).astype(np.int32)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--image", type=Path)
    parser.add_argument("--labels", type=Path, help="true instance labels of the image")
    parser.add_argument("--pixel-size-um", type=float, default=0.5)
    parser.add_argument("--task", default="glands")
    parser.add_argument("--share", type=float, default=0.25, help="of the image that is finished")
    parser.add_argument("--side-px", type=int, default=480, help="of each of the three pictures")
    parser.add_argument("--window", type=Path, help="the whole window goes here too")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
