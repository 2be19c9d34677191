"""The state of a run: read back whole, honest about a process that is gone, quick to show what was asked for."""

import dataclasses
import time

import pytest

from napari_cerberus.errors import DataError
from napari_cerberus.finetune.run_command import RunCommand, read_command, write_command
from napari_cerberus.finetune.run_state import (
    LOCK_FILE,
    STATE_FILE,
    Point,
    RunState,
    find_runs,
    read_state,
    runs_folder,
    stored_state,
    write_state,
)
from napari_cerberus.locks import lock


@pytest.fixture
def folder(computer):
    made = computer / "runs" / "one"
    made.mkdir(parents=True)
    return made


def state_of(folder, **changes):
    fields = {"name": "mine", "base_name": "base", "status": "running", "pid": 1, "steps": 9, "started_at": 5.0}
    return RunState(folder=folder, **{**fields, **changes})


def test_a_state_is_read_back_as_it_was_written(folder):
    point = Point(step=2, losses={"glands": 0.5}, metrics={"glands": 0.7}, by_category={"Polyp": {"glands": 0.6}})
    state = state_of(folder, history=(point,), overlays=(folder / "overlays" / "step-000002.png",), seconds_left=3.5)
    write_state(state)
    read = stored_state(folder)
    assert dataclasses.replace(read, updated_at=0.0) == state
    assert abs(read.updated_at - time.time()) < 60


def test_a_run_whose_process_is_gone_is_interrupted_and_one_that_lives_is_not(folder):
    write_state(state_of(folder))
    (folder / LOCK_FILE).touch()
    assert read_state(folder).status == "interrupted"
    with (folder / LOCK_FILE).open("rb+") as held:
        assert lock(held.fileno())
        assert read_state(folder).status == "running"
    assert read_state(folder).status == "interrupted"
    assert stored_state(folder).status == "running"


def test_a_run_that_was_just_started_is_given_time(folder):
    write_state(state_of(folder, status="queued", pid=0))
    assert read_state(folder).status == "queued"


def test_a_run_that_is_over_needs_no_process(folder):
    write_state(state_of(folder, status="finished", model_name="mine"))
    assert read_state(folder).status == "finished"
    assert not read_state(folder).live


def test_what_was_asked_for_shows_before_it_is_done(folder):
    write_state(state_of(folder))
    with (folder / LOCK_FILE).open("ab+") as held:
        assert lock(held.fileno())
        write_command(folder, RunCommand(what="pause"))
        assert read_state(folder).status == "pausing"
        write_command(folder, RunCommand(what="stop", keep="last"))
        assert read_state(folder).status == "stopping"
        assert read_command(folder) == RunCommand(what="stop", keep="last")
    (folder / "control.json").write_text('{"what": "explode"}', encoding="utf-8")
    assert read_command(folder) == RunCommand()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"status": "dancing"}', '{"status": "running", "history": [{"stride": 1}]}']
)
def test_a_damaged_state_is_one_sentence_and_hides_no_other_run(folder, text):
    (folder / STATE_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"state\.json"):
        stored_state(folder)
    other = folder.with_name("two")
    other.mkdir()
    write_state(state_of(other, status="finished"))
    assert [state.folder.name for state in find_runs()] == ["two"]


def test_runs_are_found_newest_first(computer):
    assert find_runs() == []
    for name, began in (("a", 1.0), ("b", 3.0), ("c", 2.0)):
        (runs_folder() / name).mkdir(parents=True)
        write_state(state_of(runs_folder() / name, status="finished", started_at=began))
    assert [state.folder.name for state in find_runs()] == ["b", "c", "a"]
