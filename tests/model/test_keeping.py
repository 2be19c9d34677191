"""Taking care of models: names, notes, adding, deleting, and why not."""

from __future__ import annotations

import json

import pytest

from model.shelf import open_shelf, put
from napari_cerberus.errors import ModelError, SettingsError
from napari_cerberus.model.library.entries import entry_of, list_models
from napari_cerberus.model.library.lineage import side_by_side
from napari_cerberus.model.library.manage import (
    ModelRecord,
    add_model,
    checked_name,
    delete,
    read_record,
    rename,
    set_notes,
    set_verdict,
)
from napari_cerberus.model.library.promotion import promote, roll_back


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    folder = open_shelf(tmp_path, monkeypatch)
    put(folder, "mine")
    return folder


def names():
    return [entry.name for entry in list_models()]


def test_renaming_renames_folder_and_description(shelf):
    sha256 = entry_of("mine").sha256
    entry = rename("mine", " Colon, scanner B ")
    assert names() == ["starter", "Colon, scanner B"]
    assert (entry.spec.name, entry.sha256, entry.verify()) == ("Colon, scanner B", sha256, True)
    assert rename("Colon, scanner B", "colon, scanner b").name == "colon, scanner b"


def test_a_taken_name_a_shipped_model_and_an_unknown_one_are_refused(shelf):
    put(shelf, "other")
    with pytest.raises(ModelError, match="already"):
        rename("mine", "OTHER")
    with pytest.raises(ModelError, match="already"):
        rename("mine", "Starter")
    with pytest.raises(ModelError, match="came with the program"):
        rename("starter", "x")
    with pytest.raises(ModelError, match="No model 'nope'"):
        rename("nope", "x")
    assert names() == ["starter", "mine", "other"]


@pytest.mark.parametrize(
    "name", ["", "  ", "a/b", "..", ".hidden", "a\\b", "a\nb", "con", "LPT1.x", "x" * 81, "dot.", "a:b"]
)
def test_names_that_are_no_folder_names(name):
    with pytest.raises(SettingsError):
        checked_name(name)


def test_notes_and_verdict_are_kept_beside_the_model(shelf):
    set_notes("mine", " good on scanner B\n")
    set_verdict("mine", "better", "Better: glands.")
    assert read_record(entry_of("mine")) == ModelRecord(
        notes="good on scanner B", verdict="better", sentence="Better: glands."
    )
    rename("mine", "yours")
    assert read_record(entry_of("yours")).notes == "good on scanner B"
    with pytest.raises(ModelError, match="takes no notes"):
        set_notes("starter", "x")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"notes": 3}'])
def test_a_damaged_record_is_an_empty_one(shelf, text):
    (shelf / "mine" / "library.json").write_text(text)
    assert read_record(entry_of("mine")) == ModelRecord()


def test_deleting_and_why_not(shelf):
    with pytest.raises(ModelError, match="came with the program"):
        delete("starter")
    promote("mine")
    with pytest.raises(ModelError, match="promoted model"):
        delete("mine")
    roll_back()
    delete("mine")
    assert names() == ["starter"]
    assert {path.name for path in shelf.iterdir()} == {".lock", "promotions.jsonl"}


def test_a_model_is_added_under_a_free_name(shelf, tmp_path):
    trained = put(tmp_path / "runs", "model")
    (trained / "checkpoint.pt").write_bytes(b"not ours to copy")
    assert add_model(trained, "mine").name == "mine_2"
    entry = add_model(trained, "mine")
    assert (entry.name, entry.spec.name, entry.verify()) == ("mine_3", "mine_3", True)
    assert sorted(path.name for path in entry.path.iterdir()) == ["model.json", "weights.safetensors"]
    with pytest.raises(ModelError):
        add_model(tmp_path, "nothing")
    assert trained.is_dir()


def test_a_model_that_is_being_written_is_not_listed(shelf):
    put(shelf, ".mine.x1")
    assert names() == ["starter", "mine"]


def test_two_models_side_by_side(shelf):
    put(
        shelf,
        "child",
        finetune={
            "parent": {"name": "starter", "sha256": "ab" * 32},
            "date": "2026-11-25",
            "settings": {"preset": "quick", "learning_rate": 1e-4},
        },
        data={"new": "pairs"},
        data_sha256="cd" * 32,
        patients={"train": 7},
        seed=3,
        validation={"dice": {"glands": 0.91234}, "tissue_accuracy": 0.5, "note": "x"},
    )
    set_notes("child", "for scanner B")
    rows = {row.heading: row for row in side_by_side(entry_of("mine"), entry_of("child"))}
    assert (rows["Parent"].left, rows["Parent"].right) == ("–", "starter (abababababab…)")
    assert rows["Made"].right == "2026-11-25"
    assert rows["Data"].right == "pairs"
    assert rows["Patients, train"].right == "7"
    assert rows["Setting: learning rate"].right == "0.0001"
    assert rows["Validation: dice glands"].right == "0.912"
    assert rows["Validation: tissue accuracy"].right == "0.500"
    assert "Validation: note" not in rows
    assert rows["Notes"].differs
    assert not rows["Predicts"].differs


def test_comparing_bears_any_record(shelf):
    put(shelf, "odd", started_from=3, data=[1], patients="x", settings=None, validation=[2], made_at=5)
    rows = {row.heading: row.right for row in side_by_side(entry_of("mine"), entry_of("odd"))}
    assert (rows["Parent"], rows["Data"]) == ("–", "–")
    json.dumps(rows)
