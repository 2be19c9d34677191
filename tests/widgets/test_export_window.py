"""The export in a real window: clicks and keys only, from the dock's button to files on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QLabel, QWidget

from exporting.make_saved import save_corrected
from fake_jobs import FakeAnnotate, he_like, no_pixel_size, two_models
from napari_cerberus.pairs.layout.ebhi import index_tree
from napari_cerberus.pairs.layout.sidecar_reading import sidecar_of
from napari_cerberus.pairs.words import counted
from napari_cerberus.viewer.controller import Controller
from napari_cerberus.viewer.preferences import Memory
from napari_cerberus.viewer.session import JobState
from napari_cerberus.widgets import dock as dock_module
from napari_cerberus.widgets.export.export_dialog import ExportDialog

LEFT = Qt.MouseButton.LeftButton


class Desk:
    """A napari window with the dock; its images are annotated by a fake job."""

    def __init__(self, qtbot: QtBot, viewer: Any) -> None:
        self.qtbot, self.viewer = qtbot, viewer
        _, self.dock = viewer.window.add_plugin_dock_widget("napari-cerberus")
        self.session = self.dock.controller.session
        qtbot.waitUntil(lambda: bool(self.session.models), timeout=20_000)

    def add(self, name: str, seed: int = 0) -> None:
        place = {"scale": (0.5, 0.5), "units": ("um", "um")}
        self.viewer.add_image(he_like(40, 56, seed), rgb=True, name=name, **place)
        self.dock.steps.show_step("annotate")
        self.click(self.dock.annotate.annotate)
        self.qtbot.waitUntil(lambda: self.session.job.state is JobState.RETURNED, timeout=20_000)

    def click(self, button: QWidget) -> None:
        assert button.isEnabled()
        self.qtbot.waitUntil(button.isVisible, timeout=5_000)
        self.qtbot.mouseClick(button, LEFT)

    def type(self, field: QWidget, text: str) -> None:
        field.setFocus()
        field.selectAll()
        self.qtbot.keyClicks(field, text)

    def open_export(self) -> ExportDialog:
        self.dock.steps.show_step("export")
        self.click(self.dock.export.open)
        dialog: ExportDialog = self.dock.export.dialog
        assert dialog.isVisible()
        assert not dialog.isModal()
        return dialog

    def wait_for_preview(self, dialog: ExportDialog, headline: str) -> None:
        self.qtbot.waitUntil(lambda: dialog.preview.headline.text() == headline, timeout=20_000)


@pytest.fixture
def desk(qtbot: QtBot, make_napari_viewer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Desk:
    def make_controller(viewer: Any) -> Controller:
        return Controller(
            viewer, Memory(), annotate=FakeAnnotate(), list_models=two_models, read_pixel_size=no_pixel_size
        )

    monkeypatch.setattr(dock_module, "Controller", make_controller)
    return Desk(qtbot, make_napari_viewer(show=True))


def test_one_image_from_the_dock_to_the_folder(desk: Desk, tmp_path: Path) -> None:
    dialog = desk.open_export()
    desk.wait_for_preview(dialog, "Annotate an image first; then its masks can be exported.")
    desk.click(dialog.close_button)
    assert not dialog.isVisible()

    desk.add("tile")
    assert desk.open_export() is dialog
    (row,) = dialog.rows.rows
    assert row.chosen.isChecked()
    assert row.category.currentText() == "", "a person must say it"
    assert "readout: Normal 62%" in row.hint.text()
    assert not dialog.export.isEnabled()
    desk.wait_for_preview(dialog, "Choose the folder of the data set; a new one will be made.")
    desk.type(dialog.folder, str(tmp_path / "my pairs"))
    desk.wait_for_preview(dialog, "Give the patient id of “tile”, or tick “not known”.")
    desk.type(row.patient, "GT2012149")
    desk.wait_for_preview(dialog, "Choose the category of “tile”.")
    desk.type(row.category.lineEdit(), "Normal")
    desk.wait_for_preview(dialog, "1 new pair")
    assert dialog.export.text() == "Export 1 pair into “Normal”"

    def shown() -> list[str]:  # Qt shows new labels when it comes round to it
        return [label.text() for label in dialog.preview.findChildren(QLabel) if label.isVisible()]

    desk.qtbot.waitUntil(lambda: any(name.endswith("-1-400-001.png") for name in shown()), timeout=20_000)
    assert "Normal · 1 object · new" in shown()
    assert not (tmp_path / "my pairs").exists()

    desk.type(row.category.lineEdit(), "Polyp")
    desk.qtbot.waitUntil(lambda: dialog.export.text() == "Export 1 pair into “Polyp”", timeout=20_000)
    desk.click(dialog.export)
    desk.wait_for_preview(dialog, "0 new pairs, 1 there already")
    assert not dialog.export.isEnabled()
    for status in (dialog.status, desk.dock.export.status):
        assert status.bar.message.text() == f"1 pair written into {tmp_path / 'my pairs'}."
        assert "my%20pairs" in status.link.text()
    (record,), problems = index_tree(tmp_path / "my pairs")
    assert (record.id, problems) == (f"Polyp/NC{record.patient}-1-400-001", [])
    assert record.patient.startswith("9"), "a number, not the id as typed"


def test_what_is_right_is_asked_and_never_ticked_for_what_nobody_touched(desk: Desk, tmp_path: Path) -> None:
    desk.add("tile")
    glands = desk.viewer.layers["tile glands"]
    dialog = desk.open_export()
    asked = dialog.choices.checked
    assert [box.text() for box in asked.boxes.values() if not box.isHidden()] == [
        "All nuclei in these tiles are right",
        "All glands in these tiles are right",
        "All lumina in these tiles are right",
    ]
    assert asked.checked == ()
    assert asked.counts["glands"].text() == f"0 of {counted(len(glands.features), 'object')} reviewed"

    desk.click(dialog.close_button)
    glands.features = glands.features.assign(state="accepted")
    desk.open_export()
    assert (
        asked.counts["glands"].text() == f"{len(glands.features)} of {counted(len(glands.features), 'object')} reviewed"
    )
    assert asked.checked == ("glands",)
    desk.type(dialog.folder, str(tmp_path / "ds"))
    (row,) = dialog.rows.rows
    desk.type(row.patient, "17")
    desk.type(row.category.lineEdit(), "Polyp")
    desk.wait_for_preview(dialog, "1 new pair")
    assert "never learned: nuclei, lumina" in dialog.preview.notes.text()
    desk.click(dialog.export)
    desk.wait_for_preview(dialog, "0 new pairs, 1 there already")
    (record,), _ = index_tree(tmp_path / "ds")
    sidecar = sidecar_of(record)
    assert sidecar is not None
    assert sidecar.checked == ("glands",)


def test_what_was_said_of_some_images_does_not_hold_for_others(desk: Desk) -> None:
    desk.add("a", seed=1)
    desk.add("b", seed=2)
    dialog = desk.open_export()
    asked = dialog.choices.checked
    asked.boxes["glands"].click()
    assert asked.checked == ("glands",)
    dialog.refresh()
    assert asked.checked == ("glands",), "what was said stays"
    desk.click(dialog.images.all)
    assert asked.checked == (), "of the second image nothing was said"


def test_all_open_images_and_a_corrected_one_again(desk: Desk, tmp_path: Path) -> None:
    desk.add("a", seed=1)
    desk.add("b", seed=2)
    dialog = desk.open_export()
    assert [row.chosen.isChecked() for row in dialog.rows.rows] == [True, False], "the chosen image alone, at first"
    desk.click(dialog.images.all)
    desk.type(dialog.folder, str(tmp_path / "ds"))
    for row in dialog.rows.rows:
        desk.type(row.category.lineEdit(), "Normal")
        desk.click(row.unknown)
        assert not row.patient.isEnabled()
    desk.wait_for_preview(dialog, "2 new pairs")
    assert "counts as a patient of its own" in dialog.preview.notes.text()
    desk.click(dialog.export)
    desk.wait_for_preview(dialog, "0 new pairs, 2 there already")

    desk.click(dialog.close_button)
    desk.viewer.layers["a glands"].data_setitem((np.array([12]), np.array([12])), 1)
    assert desk.open_export() is dialog
    desk.wait_for_preview(dialog, "0 new pairs, 1 there already, 1 changed since the last export")
    assert not dialog.export.isEnabled(), "nothing is replaced silently"
    box = dialog.preview.when_changed
    assert box.isVisible()
    box.setFocus()
    desk.qtbot.keyClick(box, Qt.Key.Key_Down)
    desk.qtbot.waitUntil(dialog.export.isEnabled, timeout=20_000)
    desk.click(dialog.export)
    desk.wait_for_preview(dialog, "0 new pairs, 2 there already")
    assert len(index_tree(tmp_path / "ds")[0]) == 3, "the corrected one stands under a new number"


def test_a_folder_of_saved_annotations(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = tmp_path / "work"
    for number, name in enumerate(("a", "b", "c")):
        save_corrected(work / f"{name}.cerberus", work / f"{name}.png", number)
    (work / "c.png").unlink()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *arguments: str(work))
    dialog = desk.open_export()
    desk.click(dialog.images.add)
    said = "3 saved annotations added. The image of 1 was not found; put it beside the annotation and look again."
    desk.qtbot.waitUntil(lambda: dialog.images.note.text() == said, timeout=20_000)
    rows = dialog.rows.rows
    assert [(row.chosen.text(), row.chosen.isChecked()) for row in rows] == [
        ("a.png", True),
        ("b.png", True),
        ("c", False),
    ]
    assert not rows[2].chosen.isEnabled()
    desk.type(dialog.folder, str(tmp_path / "ds"))
    desk.type(rows[0].patient, "17")
    desk.type(rows[0].category.lineEdit(), "Polyp")
    desk.click(dialog.images.like_first)
    desk.wait_for_preview(dialog, "2 new pairs")
    assert dialog.export.text() == "Export 2 pairs into “Polyp”"
    desk.click(dialog.export)
    desk.wait_for_preview(dialog, "0 new pairs, 2 there already")
    records = index_tree(tmp_path / "ds")[0]
    assert len({record.patient for record in records}) == 1
    assert [record.number for record in records] == [1, 2]
