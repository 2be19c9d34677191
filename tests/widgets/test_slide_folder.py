"""Several annotated parts of a slide in a real window: one folder, opened, restored, saved again and exported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from fake_jobs import FakeAnnotate, no_pixel_size, two_models
from napari_cerberus.annotation.regions import regions_in
from napari_cerberus.exporting.saved_annotations import find_saved
from napari_cerberus.progress import Progress, run_to_end
from napari_cerberus.time_left import TimeLeft
from napari_cerberus.viewer.controller import Controller
from napari_cerberus.viewer.correct.autosave import JOURNALS_VARIABLE
from napari_cerberus.viewer.preferences import Memory
from napari_cerberus.viewer.session import JobState, JobStatus, Region
from napari_cerberus.widgets.dock import CerberusDock
from tiny import spotted

PIXELS = spotted((420, 400), spots=60)
PARTS = ((16, 32, 80, 112), (200, 160, 264, 240))
UM = 0.5
WAIT_MS = 60_000


class Sitting:
    """A shown napari with the dock, and what is in it."""

    def __init__(self, qtbot: QtBot, viewer: Any, memory: Path) -> None:
        self.qtbot, self.viewer = qtbot, viewer
        kept = Memory(memory)
        self.controller = Controller(
            viewer, kept, annotate=FakeAnnotate(), list_models=two_models, read_pixel_size=no_pixel_size
        )
        self.dock = CerberusDock(viewer, self.controller)
        viewer.window.add_dock_widget(self.dock)
        self.correct = self.controller.correct
        qtbot.waitUntil(lambda: bool(self.controller.session.models), timeout=WAIT_MS)

    def annotate(self, part: tuple[int, int, int, int]) -> None:
        """Draw a rectangle on the slide, and annotate it."""
        slide, layers = self.viewer.layers["slide"], self.controller.layers
        self.controller.session.image_id = str(slide.unique_id)
        layers.draw_rectangle(slide)
        layers.put_rectangle(slide, np.array([part[:2], (part[2] - 1, part[3] - 1)], float))
        self.controller.session.region = Region.RECTANGLE
        self.controller.annotate()
        self.qtbot.waitUntil(lambda: self.controller.session.job.state is JobState.RETURNED, timeout=WAIT_MS)

    def glands(self) -> dict[tuple[int, ...], Any]:
        """The tracked layer of glands of each part."""
        return {tuple(one.record.region): one for one in self.correct.corrections if one.task == "glands"}

    def shrink_glands(self) -> dict[tuple[int, ...], np.ndarray]:
        """A correction in each part; the labels afterwards."""
        self.qtbot.wait(300)  # until the canvas has its final size
        self.viewer.reset_view()
        for one in self.glands().values():
            self.viewer.layers.selection.active = one.layer
            self.correct.corrections.choose(one, 1)
            self.correct.tools.use("shrink")
        self.correct.sync()
        return {part: np.array(one.layer.data) for part, one in self.glands().items()}

    def click_save(self) -> str:
        self.dock.steps.show_step("correct")
        self.qtbot.mouseClick(self.dock.correct.save, Qt.MouseButton.LeftButton)
        return str(self.dock.correct.message.text())

    def in_world(self, part: tuple[int, int, int, int]) -> np.ndarray:
        return np.array(part[:2]) * UM


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    path = tmp_path / "slide.tif"
    with tifffile.TiffWriter(path) as writer:
        options: dict[str, Any] = {"photometric": "rgb", "tile": (64, 64), "resolutionunit": "CENTIMETER"}
        writer.write(PIXELS, subifds=1, resolution=(1e4 / UM, 1e4 / UM), metadata=None, **options)
        writer.write(PIXELS[::2, ::2], subfiletype=1, metadata=None, **options)
    return path


@pytest.fixture
def sit_down(
    qtbot: QtBot, make_napari_viewer: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Sitting]]:
    monkeypatch.setenv(JOURNALS_VARIABLE, str(tmp_path / "journals"))
    made: list[Sitting] = []

    def factory() -> Sitting:
        made.append(Sitting(qtbot, make_napari_viewer(show=True), tmp_path / "memory.json"))
        return made[-1]

    yield factory
    for sitting in made:
        sitting.controller.close()


def test_the_parts_of_a_slide_share_a_folder_and_come_back_in_place(
    sit_down: Callable[[], Sitting], slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "slide.cerberus"
    asked: list[str] = []
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *given: (asked.append(given[2]), (given[2], ""))[1])
    first = sit_down()
    first.viewer.open(slide, plugin="napari-cerberus")
    for part in PARTS:
        first.annotate(part)
    labels = first.shrink_glands()
    assert set(labels) == set(PARTS)
    assert all(np.count_nonzero(glands) == 64 for glands in labels.values())
    assert first.click_save() == f"Saved {folder} (2 parts of the image)."
    assert [one.name for one in regions_in(folder)] == ["16-32-80-112", "200-160-264-240"]
    assert first.click_save() == f"Saved {folder} (2 parts of the image)."
    assert asked == [str(folder)], "it asks once"
    first.controller.close()
    first.viewer.layers.clear()

    second = sit_down()
    second.viewer.open(folder, plugin="napari-cerberus")
    assert second.viewer.layers["slide"].multiscale
    assert len(second.viewer.layers) == 1 + 3 * len(PARTS)
    for part, one in second.glands().items():
        np.testing.assert_array_equal(one.layer.data, labels[part])
        np.testing.assert_allclose(one.layer.translate, second.in_world(part))
        assert not second.correct.autosave.history(one).warning
    second.shrink_glands()
    third_part = (300, 300, 332, 340)
    second.annotate(third_part)
    assert "3 parts" in second.click_save()
    assert asked == [str(folder)], "what was opened is saved where it lies"
    found = run_to_end(find_saved(tmp_path))
    assert not found.problems
    regions = {image.about.frame.region: image.read() for image in found.images}
    assert set(regions) == {*PARTS, third_part}
    for (top, left, bottom, right), source in regions.items():
        np.testing.assert_array_equal(source.image, PIXELS[top:bottom, left:right])
    assert regions[PARTS[0]].effort is not None
    assert regions[PARTS[0]].annotated.frame.image_height_px == 420


def test_all_corrected_parts_are_offered_together(sit_down: Callable[[], Sitting], slide: Path) -> None:
    first = sit_down()
    first.viewer.open(slide, plugin="napari-cerberus")
    for part in PARTS:
        first.annotate(part)
    labels = first.shrink_glands()
    first.controller.close()
    first.viewer.layers.clear()
    second = sit_down()
    second.viewer.open(slide, plugin="napari-cerberus")
    second.controller.session.image_id = str(second.viewer.layers["slide"].unique_id)
    assert "You corrected 2 parts of this image before (2 changes" in second.dock.offers.earlier.text()
    second.qtbot.mouseClick(second.dock.offers.restore, Qt.MouseButton.LeftButton)
    restored = second.glands()
    assert set(restored) == set(PARTS)
    for part, one in restored.items():
        np.testing.assert_array_equal(one.layer.data, labels[part])
        np.testing.assert_allclose(one.layer.translate, second.in_world(part))
    assert second.correct.restore.offer is None


def test_a_slide_says_how_long_it_will_take_and_what_stop_stops(sit_down: Callable[[], Sitting]) -> None:
    sitting = sit_down()
    panel, run, now = sitting.dock.slide, sitting.controller.slide_run, [0.0]
    panel._left = TimeLeft(lambda: now[0])
    for done, seconds in ((0, 0.0), (10, 60.0), (11, 66.0)):
        now[0] = seconds
        run._on_progress(Progress("Reading the slide", done, 100))
    assert panel.stage.text() == "Reading the slide: 11 of 100 tiles · about 9 min left"
    assert panel.pause.text() == "Pause"
    now[0] = 70.0
    run._on_progress(Progress("Finding objects", 0, 0))
    assert panel.stage.text() == "Finding objects", "the time of an earlier step is not said beside a later one"
    run.writing = True
    run.changed.emit()
    assert panel.pause.text() == "Stop"
    assert "No file is written" in panel.pause.toolTip()
    run._set(JobStatus())
