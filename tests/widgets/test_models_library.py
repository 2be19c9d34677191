"""The model library as the dock sees it: what is listed, what may be done, and how a refusal is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from fake_runs import alive, write_model, write_run
from napari_cerberus.cli import main
from napari_cerberus.model.library.entries import entry_of
from napari_cerberus.model.library.manage import read_record, set_verdict
from napari_cerberus.model.library.promotion import promoted
from napari_cerberus.viewer.runs.model_library import Library
from napari_cerberus.viewer.session import JobState
from napari_cerberus.widgets.base.style import PRIMARY_BUTTON
from napari_cerberus.widgets.models.models_dialog import ModelsDialog


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    monkeypatch.setenv("NAPARI_CERBERUS_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("NAPARI_CERBERUS_RUNS", str(tmp_path / "runs"))
    write_model(
        "mine",
        started_from={"name": "starter", "sha256": "ab" * 32},
        tiles={"train": 28},
        patients={"train": 8},
        validation={"dice": {"glands": 0.93}},
        made_at="2026-11-25T10:00:00+00:00",
    )
    write_model("other")
    library = Library()
    library.look()
    yield library
    library.close()


def test_a_line_says_where_a_model_came_from(library: Library) -> None:
    mine, starter = library.find("mine"), library.find("starter")
    assert mine is not None
    assert starter is not None
    assert (mine.parent, mine.made, mine.learnt_from) == ("starter", "2026-11-25", "28 tiles, 8 patients")
    assert mine.metrics == "glands 0.93"
    assert (starter.shipped, starter.promoted, starter.parent) == (True, True, "came with the program")
    other = library.find("other")
    assert other is not None
    assert (other.learnt_from, other.metrics) == ("–", "–")


def test_promote_and_roll_back_are_told(library: Library) -> None:
    told: list[str] = []
    library.promoted_changed.connect(told.append)
    assert not library.can_roll_back
    assert library.promote("mine", "better")
    assert library.can_roll_back
    assert library.roll_back()
    assert told == ["mine", "starter"]
    assert promoted().name == "starter"


def test_a_refusal_is_one_sentence_and_changes_nothing(library: Library) -> None:
    library.promote("mine")
    assert not library.delete("mine")
    assert library.status.state is JobState.FAILED
    assert "promoted model" in library.status.message
    assert not library.rename("starter", "begin")
    assert not library.rename("other", "mine")
    assert [model.name for model in library.models] == ["starter", "mine", "other"]


def test_rename_notes_and_delete(library: Library) -> None:
    renamed: list[tuple[str, str]] = []
    library.renamed.connect(lambda old, new: renamed.append((old, new)))
    assert library.rename("other", "third")
    assert library.set_notes("third", "old scanner")
    third = library.find("third")
    assert third is not None
    assert read_record(third.entry).notes == "old scanner"
    assert library.delete("third")
    assert library.find("third") is None
    assert renamed == [("other", "third")]


def test_a_model_that_a_run_needs_is_not_deleted(library: Library) -> None:
    needed = library.find("other")
    assert needed is not None
    run = write_run("now", base_sha256=needed.entry.sha256)
    with alive(run.folder):
        assert not library.delete("other")
        assert "fine-tuning 'now' needs 'other'" in library.status.message
        assert main(["models", "delete", "other"]) == 1
    assert library.delete("other")


def test_the_model_of_a_run_is_found_under_its_new_name(library: Library) -> None:
    run = write_run("now", "finished", model_name="mine", model_sha256=entry_of("mine").sha256)
    assert library.made_by(run) == entry_of("mine")
    library.rename("mine", "ours")
    library.rename("other", "mine")
    assert library.made_by(run) == entry_of("ours")
    library.delete("ours")
    assert library.made_by(run) is None


def test_export_and_a_damaged_import_run_beside_the_window(library: Library, qtbot: QtBot, tmp_path: Path) -> None:
    file = tmp_path / "mine.zip"
    library.export("mine", file)
    qtbot.waitUntil(lambda: not library.status.state.busy, timeout=10_000)
    assert library.status.message == f"“mine” was written to {file}."
    file.write_bytes(file.read_bytes()[:100])
    library.take_in(file)
    qtbot.waitUntil(lambda: not library.status.state.busy, timeout=10_000)
    assert library.status.state is JobState.FAILED
    assert "mine.zip" in library.status.message
    assert len(library.models) == 3


def test_the_dialog_offers_what_may_be_done_and_compares_two(library: Library, qtbot: QtBot) -> None:
    set_verdict("mine", "worse", "It is worse.")
    dialog = ModelsDialog(library)
    qtbot.addWidget(dialog)
    dialog.show()
    assert dialog.list.chosen() == ["starter"]
    assert not dialog.delete.isEnabled(), "what came with the program stays"
    assert not dialog.promote.isEnabled(), "it is in use"
    assert dialog.promote.styleSheet() == PRIMARY_BUTTON
    dialog.list.choose("mine")
    assert dialog.list.chosen() == ["starter", "mine"]
    texts = dialog.facts.texts()
    assert texts[texts.index("Name") + 1 :][:2] == ["starter", "mine"]
    dialog.list.clearSelection()
    dialog.list.choose("mine")
    asked: list[str] = []
    dialog._sure = lambda title, question: bool(asked.append(question)) or len(asked) > 1  # type: ignore[method-assign]
    dialog.promote.click()
    assert promoted().name == "starter", "the answer was no"
    dialog.promote.click()
    assert promoted().name == "mine"
    assert "worse" in asked[0]
    assert dialog.roll_back.isEnabled()
    dialog.notes.setText("too dark")
    dialog.notes.editingFinished.emit()
    mine = library.find("mine")
    assert mine is not None
    assert mine.record.notes == "too dark"
