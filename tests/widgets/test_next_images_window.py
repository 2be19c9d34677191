"""Which image next?, in a real window: a folder is looked through, and a double-click opens what is proposed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from correct_window import LEFT, Window
from finetune import tiny_net
from napari_cerberus.model.checkpoint import load_model
from napari_cerberus.progress import Job, Progress
from napari_cerberus.viewer.runs import next_images as module
from napari_cerberus.viewer.session import JobState
from widgets.test_dock_fits import cut_off, resize

WAIT_MS = 60_000


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).integers(60, 60 + 40 * (number + 1), (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"GTTUB{number:02d}_field.png")
    return folder


@pytest.fixture
def learning(
    qtbot: QtBot, make_napari_viewer: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Window:
    """The dock at the tab Learn, the search unfolded, its model a tiny network."""
    tiny_net.shrink(monkeypatch.setattr)
    tiny_net.save_base(tmp_path / "base")
    window = Window(qtbot, make_napari_viewer(show=True))
    monkeypatch.setattr(window.dock.controller.next_images, "_open_model", lambda name: load_model(tmp_path / "base"))
    resize(window, 1280, 800)
    window.dock.steps.show_step("learn")
    qtbot.mouseClick(window.dock.next_images.section.header, LEFT)
    return window


def test_a_folder_is_looked_through_and_a_double_click_opens_an_image(
    learning: Window, images: Path, qtbot: QtBot
) -> None:
    panel, search = learning.dock.next_images, learning.dock.controller.next_images
    assert not panel.list.isVisible()
    panel.folder.setText(str(images))
    qtbot.mouseClick(panel.look, LEFT)
    assert not panel.look.isEnabled()
    qtbot.waitUntil(lambda: search.status.state is JobState.RETURNED, timeout=WAIT_MS)
    assert panel.list.isVisible()
    assert panel.list.count() == 4
    assert all("\n" in panel.list.item(row).text() for row in range(4)), "each with its reason"
    learning.dock.steps.pages["learn"].show_panel(panel)
    if place := os.environ.get("NEXT_IMAGES_PICTURE"):
        qtbot.wait(200)
        learning.viewer.window._qt_window.grab().save(place)
    assert cut_off(learning.dock) == []
    learning.dock.steps.show_step("learn")
    learning.dock.steps.pages["learn"].show_panel(panel)
    place = panel.list.visualItemRect(panel.list.item(0)).center()
    qtbot.mouseClick(panel.list.viewport(), LEFT, pos=place)
    qtbot.mouseDClick(panel.list.viewport(), LEFT, pos=place)
    name = search.proposal.fields[0].name
    assert learning.viewer.layers.selection.active.source.path == str(images / name)
    assert learning.dock.steps.current == "annotate", "which is what comes next"
    assert learning.dock.controller.session.image_name == Path(name).stem
    layers = len(learning.viewer.layers)
    search.open(0)
    assert len(learning.viewer.layers) == layers, "once is enough"


def test_it_is_cancelled_and_can_be_asked_again(
    learning: Window, images: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(*_given: Any) -> Job[None]:
        while True:
            yield Progress("Looking at the images", 1, 4)
            time.sleep(0.01)

    monkeypatch.setattr(module, "propose_job", endless)
    panel, search = learning.dock.next_images, learning.dock.controller.next_images
    panel.folder.setText(str(images))
    qtbot.keyClick(panel.folder, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: search.status.fraction == 0.25, timeout=WAIT_MS)
    assert panel.job_bar.cancel.isVisible()
    qtbot.mouseClick(panel.job_bar.cancel, LEFT)
    qtbot.waitUntil(lambda: search.status.state is JobState.CANCELLED, timeout=WAIT_MS)
    assert panel.look.isEnabled()
    assert not panel.list.isVisible()


def test_a_folder_that_is_none_is_one_sentence_in_the_dock(learning: Window, images: Path, qtbot: QtBot) -> None:
    panel, search = learning.dock.next_images, learning.dock.controller.next_images
    panel.folder.setText(str(images / "nowhere"))
    qtbot.mouseClick(panel.look, LEFT)
    qtbot.waitUntil(lambda: search.status.state is JobState.FAILED, timeout=WAIT_MS)
    assert "is not a folder" in panel.job_bar.message.text()
    assert panel.job_bar.message.isVisible()
