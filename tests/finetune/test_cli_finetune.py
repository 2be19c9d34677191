"""``napari-cerberus finetune``: the same functions as the dock's, in a terminal."""

import json
import signal
import sys
import types
from dataclasses import replace

import pytest

from napari_cerberus.cli import finetune_command as command
from napari_cerberus.cli import main
from napari_cerberus.finetune import estimate as estimating
from napari_cerberus.finetune.comparison.comparison_record import comparison_path
from napari_cerberus.finetune.run import child, process
from napari_cerberus.finetune.run_state import RunState, find_runs
from napari_cerberus.model.library.entries import list_models
from napari_cerberus.progress import Progress
from napari_cerberus.training.engine import share_search


@pytest.fixture(autouse=True)
def in_this_process(computer, monkeypatch):
    """The run is made here, before ``begin`` returns."""

    def compare_models(folder, *, base, candidate):
        yield Progress("Proving")
        return types.SimpleNamespace(sentence="Better.", tries_sentence="")

    monkeypatch.setitem(
        sys.modules,
        "napari_cerberus.finetune.comparison.model_comparison",
        types.SimpleNamespace(compare_models=compare_models),
    )
    monkeypatch.setattr(process, "_start", lambda folder: child.main([str(folder)]))
    monkeypatch.setattr(child, "lower_priority", lambda: None)
    monkeypatch.setattr(share_search, "LEAST_GAIN", -1.0)  # a network of random weights learns nothing in one pass


def test_a_model_is_made_and_named_last(computer, pairs, capsys):
    words = ["--base", "base", "--name", "mine", "--tasks", "glands", "--epochs", "1", "--preset", "standard"]
    assert main(["finetune", str(pairs), *words]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[-1] == "mine"
    assert "10 pairs of 10 patients" in told.out
    assert "napari-cerberus train" in told.err
    assert "Better." in told.err
    assert "mine" in [entry.name for entry in list_models()]


def test_an_estimate_starts_nothing(computer, pairs, capsys, monkeypatch):
    told = {"loading_s": 1, "memory_mb": 400, "stages": {"End": 1}, "steps": [1, 1], "judging_s": 0, "writing_s": 0}
    monkeypatch.setattr(estimating, "TRIAL", ("-c", f"print({json.dumps(told)!r})"))
    assert main(["finetune", str(pairs), "--base", "base", "--estimate"]) == 0
    assert "MB of memory on this computer" in capsys.readouterr().out
    assert find_runs() == []


def test_pairs_that_cannot_be_used_are_one_line(computer, capsys):
    assert main(["finetune", str(computer / "nowhere"), "--base", "base"]) == 1
    assert "nowhere is not a folder" in capsys.readouterr().err.splitlines()[-1]
    assert main(["finetune"]) == 1
    assert "--resume" in capsys.readouterr().err


def test_ctrl_c_ends_the_process_and_waits_for_it(computer, monkeypatch, capsys):
    states = [RunState(folder=computer, name="mine", base_name="base", status="running", pid=pid) for pid in (0, 7, 7)]
    states.append(replace(states[0], status="interrupted"))
    killed = []
    monkeypatch.setattr(command, "read_state", lambda folder: states.pop(0))
    monkeypatch.setattr(command.os, "kill", lambda pid, sign: killed.append((pid, sign)))
    monkeypatch.setattr(command, "_LOOK_EVERY_S", 0.0)
    command._interrupt(computer)
    assert killed == [(7, signal.SIGTERM)]
    assert states == [], "it waited until the process had ended"
    assert "--resume" in capsys.readouterr().err


def test_a_run_that_is_over_cannot_go_on(computer, pairs, capsys):
    words = ["--base", "base", "--tasks", "glands", "--epochs", "1", "--preset", "standard"]
    assert main(["finetune", str(pairs), *words]) == 0
    (state,) = find_runs()
    comparison_path(state.folder).parent.mkdir()
    comparison_path(state.folder).write_text("{}", encoding="utf-8")
    assert main(["finetune", "--resume", str(state.folder)]) == 1
    assert "only a run that was interrupted or failed" in capsys.readouterr().err
