"""Adapt to this stain, in the real window: the question, the button, the way back."""

from __future__ import annotations

from pathlib import Path

import pytest
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QFileDialog

from correct_window import Window
from napari_cerberus.viewer.adapt.stain_adapting import StainSource
from napari_cerberus.viewer.session import ModelChoice
from napari_cerberus.widgets.annotate.stain_row import StainDialog


def choice(name: str, adapted_from: str = "") -> ModelChoice:
    return ModelChoice(name=name, predicts=("glands",), pixel_size_um=1.0, sha256=name, adapted_from=adapted_from)


def test_the_button_turns_into_the_way_back(window: Window) -> None:
    row, session = window.dock.annotate.stain_row, window.dock.controller.session
    session.models = (choice("starter"), choice("lab", adapted_from="starter"))
    session.model_name = "starter"
    assert row.adapt.isVisibleTo(row)
    assert row.back.isHidden()
    session.model_name = "lab"
    assert row.adapt.isHidden()
    assert row.back.text() == "Back to “starter”"
    row.back.click()
    assert session.model_name == "starter"
    assert row.back.isHidden()


def test_the_answer_goes_to_the_job(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []
    controller = window.dock.controller
    monkeypatch.setattr(controller.adapting, "adapt", lambda *what: asked.append(what))
    controller.session.models = (choice("starter"),)
    controller.session.model_name = "starter"
    monkeypatch.setattr(StainDialog, "exec", lambda dialog: QDialog.DialogCode.Rejected.value)
    window.dock.annotate.stain_row.adapt.click()
    assert asked == []
    monkeypatch.setattr(StainDialog, "exec", lambda dialog: QDialog.DialogCode.Accepted.value)
    window.dock.annotate.stain_row.adapt.click()
    assert asked == [("starter, my laboratory", StainSource.OPEN, None)]


def test_a_folder_must_be_chosen_and_the_copy_needs_a_name(
    window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialog = StainDialog("starter", window.dock)
    window.qtbot.addWidget(dialog)
    ok = dialog.buttons.button(QDialogButtonBox.StandardButton.Ok)
    assert ok.isEnabled()
    dialog.name.setText("  ")
    assert not ok.isEnabled()
    dialog.name.setText("lab")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: "")
    dialog.source.setCurrentIndex(2)
    dialog.source.activated.emit(2)
    assert not ok.isEnabled()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    dialog.source.activated.emit(2)
    assert ok.isEnabled()
    assert (dialog.chosen, dialog.folder) == (StainSource.FOLDER, tmp_path)
