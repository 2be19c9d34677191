"""Which model is used: promoting, rolling back, and what happens where the promoted one is gone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from model.shelf import open_shelf, put
from napari_cerberus.errors import ModelError, OutputError
from napari_cerberus.locks import lock
from napari_cerberus.model.library import library_lock
from napari_cerberus.model.library.manage import rename
from napari_cerberus.model.library.promotion import (
    HISTORY_FILE,
    promote,
    promoted,
    promoted_and_note,
    promotion_history,
    roll_back,
)


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    folder = open_shelf(tmp_path, monkeypatch)
    for name in ("first", "second"):
        put(folder, name)
    return folder


def test_the_starter_is_used_until_another_is_promoted(shelf):
    assert promoted().name == "starter"
    assert promotion_history() == ()
    assert promote("first", reason="better").name == "first"
    assert promoted().name == "first"
    (line,) = promotion_history()
    assert (line.action, line.name, line.reason, line.sha256) == ("promote", "first", "better", promoted().sha256)


def test_rolling_back_goes_step_by_step_down_to_the_starter(shelf):
    for name in ("first", "second", "first"):
        promote(name)
    assert [roll_back().name, promoted().name] == ["second", "second"]
    assert [roll_back().name, roll_back().name, promoted().name] == ["first", "starter", "starter"]
    with pytest.raises(ModelError, match="nothing to roll back"):
        roll_back()
    assert len(promotion_history()) == 6
    promote("second")
    assert promoted().name == "second"


def test_promoting_the_one_in_use_changes_nothing(shelf):
    promote("first")
    promote("first")
    assert len(promotion_history()) == 1


def test_the_starter_itself_can_be_promoted_and_rolled_back(shelf):
    promote("first")
    promote("starter")
    assert promoted().name == "starter"
    assert roll_back().name == "first"


def test_a_promoted_model_that_vanished_gives_the_starter_and_says_so(shelf):
    promote("first")
    promote("second")
    shutil.rmtree(shelf / "second")
    entry, note = promoted_and_note()
    assert entry.name == "starter"
    assert "'second'" in note
    assert "'starter' is used instead" in note
    assert roll_back().name == "first"
    assert promoted_and_note()[1] == ""


def test_rolling_back_passes_over_models_that_are_gone(shelf):
    for name in ("first", "second"):
        promote(name)
    shutil.rmtree(shelf / "first")
    assert roll_back().name == "starter"


def test_a_renamed_model_stays_promoted(shelf):
    promote("first")
    rename("first", "My best")
    assert promoted_and_note() == (promoted(), "")
    assert promoted().name == "My best"


def test_what_cannot_be_promoted(shelf):
    with pytest.raises(ModelError, match="No model 'nope'"):
        promote("nope")
    (shelf / "first" / "weights.safetensors").write_bytes(b"other")
    with pytest.raises(ModelError, match="damaged"):
        promote("first")
    assert promotion_history() == ()


def test_the_history_is_only_appended_to_and_torn_lines_are_passed_over(shelf):
    promote("first")
    path = shelf / HISTORY_FILE
    before = path.read_bytes()
    path.write_bytes(before + b'{"at": "2026", "act')
    promote("second")
    assert path.read_bytes().startswith(before)
    assert [one.name for one in promotion_history()] == ["first", "second"]
    path.write_bytes(path.read_bytes() + b'[]\n{"at": 3}\n' + json.dumps({"action": "eat"}).encode() + b"\n\xff\n")
    assert promoted().name == "second"


def test_a_held_library_is_one_sentence(shelf, monkeypatch):
    with (shelf / library_lock.LOCK_FILE).open("ab") as other:
        assert lock(other.fileno())
        with (
            pytest.raises(OutputError, match="Another program is changing"),
            library_lock.library_lock(wait_s=0.0),
        ):
            pytest.fail("the lock was given twice")
    assert promote("first").name == "first"


def test_two_processes_promote_at_once_and_both_lines_are_there(shelf, tmp_path):
    code = (
        "import sys\nfrom pathlib import Path\nfrom napari_cerberus.model.library import entries, promotion\n"
        "entries.shipped_folder = lambda: Path(sys.argv[1])\n"
        "for _ in range(5):\n promotion.promote(sys.argv[2]); promotion.promote('starter')\n"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "shipped")]
    running = [subprocess.Popen([*arguments, name]) for name in ("first", "second")]
    assert [process.wait(timeout=60) for process in running] == [0, 0]
    history = promotion_history()
    assert {one.name for one in history} == {"first", "second", "starter"}
    lines = (shelf / HISTORY_FILE).read_text().splitlines()
    assert len(lines) == len(history)
    assert promoted().name == "starter"
