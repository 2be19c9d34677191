"""The windows beside the dock: comparing versions, effort, and the annotator's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from correct_window import WAIT_MS, Window
from fake_jobs import no_pixel_size, two_models
from napari_cerberus.viewer.controller import Controller
from napari_cerberus.viewer.correct.autosave import JOURNALS_VARIABLE
from napari_cerberus.viewer.preferences import Memory
from napari_cerberus.widgets.correct.compare_dialog import CompareDialog
from napari_cerberus.widgets.correct.effort_dialog import EffortDialog, _shown
from napari_cerberus.widgets.dock import CerberusDock


def cells(table: Any) -> list[list[str]]:
    return [
        [table.item(row, column).text() for column in range(table.columnCount())] for row in range(table.rowCount())
    ]


def test_what_changed_since_a_saved_version_is_listed_and_shown(window: Window, tmp_path: Path) -> None:
    correct = window.dock.controller.correct
    nuclei = window.layer("nuclei")
    correct.save(tmp_path / "v1.cerberus")
    correct.corrections.choose(correct.corrections.active, 2)
    window.dock.correct.buttons["delete"].click()
    window.press(Qt.Key.Key_O)
    window.drag(nuclei, (20, 20), (20, 24), (24, 24), (24, 20))
    window.press(Qt.Key.Key_O)
    window.dock.correct.compare.click()
    (dialog,) = window.dock.findChildren(CompareDialog)
    dialog.choose("earlier", tmp_path / "v1.cerberus")
    window.qtbot.waitUntil(lambda: dialog.tasks.rowCount() == 3, timeout=WAIT_MS)
    rows = {row[0]: row[1:6] for row in cells(dialog.tasks)}
    assert rows == {
        "nuclei": ["2", "2", "1", "1", "0"],
        "glands": ["1", "1", "0", "0", "0"],
        "lumina": ["1", "1", "0", "0", "0"],
    }
    changes = [row[:4] for row in cells(dialog.objects)]
    assert changes == [["nuclei", "lost", "2", ""], ["nuclei", "gained", "", "3"]]
    window.layer("glands")
    camera = window.viewer.scene.camera
    for row, place in ((0, (8.5, 8.5)), (1, (22, 22))):
        dialog.objects.selectRow(row)
        assert window.viewer.layers.selection.active is nuclei
        np.testing.assert_allclose(camera.center[-2:], nuclei.data_to_world(place), atol=0.6)
    assert correct.corrections.active.selected == 3
    correct.save(tmp_path / "v2.cerberus")
    dialog.choose("later", tmp_path / "v2.cerberus")
    window.qtbot.waitUntil(lambda: [row[:4] for row in cells(dialog.objects)] == changes, timeout=WAIT_MS)
    dialog.choose("earlier", tmp_path / "v2.cerberus")
    window.qtbot.waitUntil(lambda: dialog.note.text() == "The versions are the same.", timeout=WAIT_MS)
    dialog.choose("earlier", tmp_path)
    window.qtbot.waitUntil(lambda: "annotation.json" in dialog.message.text(), timeout=WAIT_MS)
    assert dialog.tasks.isHidden()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (11472.7, "11,473"),
        (0.586, "0.59"),
        (12.0, "12"),
        (99.5, "99.5"),
        (1.0, "1"),
        (0.99997, "0.9999"),
        (float("nan"), "–"),
        (19727, "19,727"),
        ("starter", "starter"),
    ],
)
def test_numbers_of_effort_are_said_plainly(value: object, said: str) -> None:
    assert _shown(value) == said


def test_effort_is_shown_plainly_and_saved(
    qtbot: QtBot, make_napari_viewer: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(JOURNALS_VARIABLE, str(tmp_path / "journals"))
    window = Window(qtbot, make_napari_viewer(show=True), path=tmp_path / "memory.json")
    window.layer("glands")
    window.dock.review.effort.click()
    empty = window.dock.findChildren(EffortDialog)[-1]
    assert empty.message.text() == "Nothing was corrected yet."
    assert not empty.save.isEnabled()
    window.dock.controller.correct.corrections.choose(window.dock.controller.correct.corrections.active, 1)
    for name in ("shrink", "grow"):
        window.dock.correct.buttons[name].click()
    window.dock.review.buttons["accept"].click()
    window.dock.review.effort.click()
    dialog = window.dock.findChildren(EffortDialog)[-1]
    assert dialog.isVisible()
    grid = dialog.layout().itemAt(0).layout()
    texts = [grid.itemAtPosition(row, column).widget().text() for row in range(grid.rowCount()) for column in (0, 1)]
    shown = dict(zip(texts[::2], texts[1::2], strict=True))
    assert shown["Model"] == "starter"
    assert shown["Edits"] == "2"
    assert shown["Accepted, rejected, skipped"] == "1"
    assert shown["Objects"] == "4"
    path = tmp_path / "effort.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    dialog.save.click()
    assert pd.read_csv(path)["edits"].tolist() == [2]
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path / "in" / "a file.csv"), ""))
    dialog.save.click()
    assert "cannot be written" in dialog.message.text()


def test_the_annotators_name_is_asked_once(
    qtbot: QtBot, make_napari_viewer: Callable[..., Any], tmp_path: Path
) -> None:
    window = Window(qtbot, make_napari_viewer(show=True), path=tmp_path / "memory.json")
    window.dock.review.name.setText("  Ada Byron ")
    window.dock.review.name.editingFinished.emit()
    one = window.layer("glands")
    window.click(one, (5, 5))
    window.dock.correct.buttons["shrink"].click()
    assert one.features["changed_by"].tolist() == ["Ada Byron"]
    again = Controller(
        window.viewer, Memory(tmp_path / "memory.json"), list_models=two_models, read_pixel_size=no_pixel_size
    )
    dock = CerberusDock(window.viewer, again)
    qtbot.addWidget(dock)
    assert dock.review.name.text() == "Ada Byron"
    assert again.session.reviewer == "Ada Byron"
    again.close()
