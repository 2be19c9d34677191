"""Runs in real processes: to the end, killed and resumed, paused, stopped, queued; and replayed by their config."""

import json
import os
import shlex
import signal
import sys
import time
from pathlib import Path

import pytest

from napari_cerberus.cli.train_command import add_arguments, run
from napari_cerberus.errors import SettingsError
from napari_cerberus.finetune.finetune_plan import prepare
from napari_cerberus.finetune.finetune_settings import FinetuneSettings
from napari_cerberus.finetune.run import process
from napari_cerberus.finetune.run_state import find_runs, is_alive, read_state
from napari_cerberus.model.checkpoint import load_model
from napari_cerberus.model.library.entries import list_models
from napari_cerberus.model.library.opening import open_model
from napari_cerberus.progress import run_to_end
from napari_cerberus.training.engine import share_search

PATIENCE_S = 240
"""A child loads torch, which takes a busy machine its time."""

CHILD = (str(Path(__file__).with_name("tiny_child.py")), "run.child")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills processes by signal")


@pytest.fixture(autouse=True)
def tiny_children(computer, monkeypatch):
    monkeypatch.setattr(process, "CHILD", CHILD)
    monkeypatch.setattr(share_search, "LEAST_GAIN", -1.0)  # as in the children
    yield
    for state in find_runs():
        if is_alive(state.folder):
            os.kill(state.pid, signal.SIGKILL)
    for child in process._started:
        child.wait(PATIENCE_S)


def begun(pairs, **changes):
    fields = {"base_model": "base", "preset": "standard", "epochs": 4, "tasks": ("glands",), "name": "mine"}
    plan = run_to_end(prepare(FinetuneSettings(pairs_folder=pairs, **{**fields, **changes})))
    assert plan.stops == ()
    return process.begin(plan)


def wait_for(folder, good, what):
    """Wait until ``good(state)``; fails with the state where that takes too long or the run fails."""
    until = time.monotonic() + PATIENCE_S
    while not good(state := read_state(folder)):
        if time.monotonic() > until or state.status == "failed":
            log = (folder / process.LOG_FILE).read_text(encoding="utf-8")
            pytest.fail(f"{what}: {state.status}, step {state.step}, {state.message}\n{log}")
        time.sleep(0.05)  # another process works: there is nothing to be told by
    return state


def status(*wanted):
    return lambda state: state.status in wanted


def replayed(folder, out, capsys):
    """Weights that the run's command line gives, here."""
    import argparse

    program, command, *words = shlex.split(process.command_line(folder))
    assert (program, command) == ("napari-cerberus", "train")
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    arguments = parser.parse_args(words)
    arguments.out = out
    assert run(arguments) == 0
    return load_model(Path(capsys.readouterr().out.strip())).sha256


def test_a_run_ends_in_the_library_and_its_command_gives_the_same_weights(computer, pairs, capsys):
    before = {path: path.read_bytes() for path in (computer / "models" / "base").iterdir()}
    folder = begun(pairs, preset="quick")
    state = wait_for(folder, status("finished"), "end")
    assert "blend_shares" in (folder / "config.toml").read_text(encoding="utf-8")
    model = open_model(state.model_name)
    record = model.spec.provenance["finetune"]
    assert record["parent"] == {"name": "base", "sha256": open_model("base").sha256}
    assert record["settings"]["preset"] == "quick"
    assert record["pairs_files"] == 20
    assert set(model.spec.provenance["test_patients"]).isdisjoint(model.spec.provenance["train_patients"])
    assert model.spec.thresholds == {"glands": 0.4}
    assert (folder / "compared.txt").read_text() == f"{open_model('base').sha256} {model.sha256}"
    assert state.message.startswith("No difference was shown.")
    assert state.best_step > 0
    assert state.history[-1].step == state.steps == state.step
    assert set(state.history[-1].by_category) <= {"Normal", "Polyp"}
    assert all("glands" in point.losses for point in state.history)
    assert state.overlays
    assert all(path.is_file() for path in state.overlays)
    assert before == {path: path.read_bytes() for path in (computer / "models" / "base").iterdir()}
    assert not is_alive(folder)
    assert replayed(folder, computer / "again", capsys) == model.sha256


def test_a_killed_run_is_found_goes_on_and_gives_what_it_would_have_given(computer, pairs, monkeypatch, capsys):
    monkeypatch.setenv("TINY_STEP_S", "0.15")
    folder = begun(pairs)
    state = wait_for(folder, lambda state: state.best_step > 0 and state.step < state.steps, "first validation")
    os.kill(state.pid, signal.SIGKILL)
    wait_for(folder, status("interrupted"), "kill")
    assert [entry.name for entry in list_models() if entry.path.parent == computer / "models"] == ["base"]
    with pytest.raises(SettingsError, match="nothing to tell"):
        process.pause(folder)
    process.resume(folder)
    with pytest.raises(SettingsError, match="only a run that"):
        process.resume(folder)
    state = wait_for(folder, status("finished"), "end")
    steps = [point.step for point in state.history]
    assert steps == sorted(set(steps))
    assert replayed(folder, computer / "again", capsys) == open_model(state.model_name).sha256


def test_pause_go_on_and_stop_keeping_the_last_weights_while_another_waits(computer, pairs, monkeypatch, capsys):
    monkeypatch.setenv("TINY_STEP_S", "0.1")
    folder = begun(pairs, epochs=200)
    wait_for(folder, lambda state: state.step > 1, "first steps")
    process.pause(folder)
    paused = wait_for(folder, status("paused"), "pause")
    assert (folder / "training" / "fold-0" / "checkpoint.pt").is_file()
    second = begun(pairs, name="second")
    waiting = wait_for(second, lambda state: state.message.startswith("Waiting for mine"), "queue")
    assert waiting.status == "queued"
    assert read_state(folder).step == paused.step
    process.go_on(folder)
    wait_for(folder, lambda state: state.status == "running" and state.step > paused.step, "going on")
    process.stop(folder, "last")
    ended = wait_for(folder, status("finished"), "stop")
    assert ended.step < ended.steps
    assert "Stopped by you" in ended.early_stop
    assert open_model(ended.model_name).spec.provenance["best_step"] == ended.step
    wait_for(second, lambda state: state.step > 0, "second run")
    process.stop(second, "discard")
    gone = wait_for(second, status("stopped"), "discard")
    assert gone.model_name == ""
    assert not (second / "training").exists()
    monkeypatch.setenv("TINY_STEP_S", "0")
    assert replayed(folder, computer / "again", capsys) == open_model(ended.model_name).sha256


def test_the_child_outlives_its_parent(computer, pairs):
    plan = run_to_end(prepare(FinetuneSettings(pairs_folder=pairs, base_model="base", preset="standard", epochs=1)))
    (computer / "plan.json").write_text(json.dumps({"pairs": str(pairs)}), encoding="utf-8")
    assert plan.stops == ()
    code = (
        "import sys; from pathlib import Path\n"
        "from napari_cerberus.finetune.run import process\n"
        f"process.CHILD = {CHILD!r}\n"
        f"process._start(Path({str(computer)!r}) / 'runs' / sys.argv[1])\n"
    )
    folder = process._new_folder("orphan")
    process._write(folder, plan)
    import subprocess

    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore::ResourceWarning", "-c", code, folder.name], env=environment, timeout=120
    )
    assert done.returncode == 0
    state = wait_for(folder, status("finished"), "end")
    assert state.pid != os.getpid()
