"""Fine-tuning as the dock follows it: checks, runs that are found again, orders, and the user's word on a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from fake_runs import FakeCheck, alive, write_comparison, write_run
from napari_cerberus.errors import DataError, OutputError
from napari_cerberus.finetune.finetune_settings import FinetuneSettings
from napari_cerberus.finetune.run_state import STATE_FILE, read_state
from napari_cerberus.viewer.runs import fine_tuning as module
from napari_cerberus.viewer.runs.decisions import Decision, decision_of
from napari_cerberus.viewer.runs.fine_tuning import FineTuning
from napari_cerberus.viewer.session import JobState

Open = Callable[[FakeCheck], FineTuning]


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_CERBERUS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("NAPARI_CERBERUS_MODELS", str(tmp_path / "models"))


@pytest.fixture
def opened(qtbot: QtBot) -> Iterator[Open]:
    made: list[FineTuning] = []

    def factory(fake: FakeCheck | None = None) -> FineTuning:
        fake = fake or FakeCheck()
        made.append(FineTuning(check=fake.check, begin=fake.begin, resume=fake.resume))
        return made[-1]

    yield factory
    for one in made:
        one.close()


def wait_for_end(qtbot: QtBot, finetuning: FineTuning) -> None:
    qtbot.waitUntil(lambda: not finetuning.status.state.busy, timeout=10_000)


def settings(tmp_path: Path) -> FinetuneSettings:
    return FinetuneSettings(pairs_folder=tmp_path)


def test_check_then_start_shows_the_run(qtbot: QtBot, opened: Open, tmp_path: Path) -> None:
    fake = FakeCheck()
    finetuning = opened(fake)
    finetuning.check(settings(tmp_path))
    assert finetuning.status.state is JobState.RUNNING
    wait_for_end(qtbot, finetuning)
    assert finetuning.checked is not None
    assert finetuning.checked.plan.pairs == 40
    finetuning.start()
    wait_for_end(qtbot, finetuning)
    assert len(fake.begun) == 1
    assert finetuning.checked is None, "a plan is started once"
    assert finetuning.state is not None
    assert finetuning.state.name == "begun"


def test_what_stops_cannot_be_started(qtbot: QtBot, opened: Open, tmp_path: Path) -> None:
    fake = FakeCheck(stops=("One patient only.",))
    finetuning = opened(fake)
    finetuning.check(settings(tmp_path))
    wait_for_end(qtbot, finetuning)
    finetuning.start()
    assert not finetuning.status.state.busy
    assert fake.begun == []


def test_a_failed_check_is_one_sentence_and_another_form_forgets_it(qtbot: QtBot, opened: Open, tmp_path: Path) -> None:
    finetuning = opened(FakeCheck(DataError("/pairs is not a folder.")))
    finetuning.check(settings(tmp_path))
    wait_for_end(qtbot, finetuning)
    assert (finetuning.status.state, finetuning.status.message) == (JobState.FAILED, "/pairs is not a folder.")
    finetuning.forget_plan()
    assert finetuning.status.message == ""
    assert finetuning.status.state is JobState.IDLE


def test_a_working_run_is_shown_before_an_interrupted_one(opened: Open) -> None:
    finetuning = opened()
    write_run("dead", started_at=2.0)
    works = write_run("works", started_at=1.0)
    with alive(works.folder):
        finetuning.look_and_show()
        assert [run.status for run in finetuning.runs] == ["interrupted", "running"]
        assert finetuning.state is not None
        assert finetuning.state.name == "works"
        assert [run.name for run in finetuning.live_runs()] == ["works"]


def test_only_runs_that_need_a_word_are_shown_by_themselves(opened: Open) -> None:
    finetuning = opened()
    done = write_run("done", "finished", model_name="mine")
    finetuning.look_and_show()
    assert finetuning.state is not None
    finetuning.decide(Decision.KEPT)
    finetuning.show(None)
    finetuning.look_and_show()
    assert finetuning.state is None, "it was judged"
    assert [run.name for run in finetuning.runs] == ["done"], "but it can be looked at"
    assert decision_of(done.folder) is Decision.KEPT


@pytest.mark.parametrize("status", ["failed", "interrupted"])
def test_a_run_that_was_cut_off_is_shown_until_it_is_discarded(opened: Open, status: str) -> None:
    finetuning = opened()
    write_run("done", "finished", model_name="old", started_at=3.0)
    finetuning.look_and_show()
    finetuning.decide(Decision.KEPT)
    write_run("mine", status)
    finetuning.look_and_show()
    assert finetuning.state is not None
    assert finetuning.state.name == "mine"
    finetuning.stop("discard")
    finetuning.show(None)
    finetuning.look_and_show()
    assert finetuning.state is None


def test_a_word_that_cannot_be_kept_is_said(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OutputError("decision.txt cannot be written: No space left on device.")

    finetuning = opened()
    write_run("done", "finished", model_name="mine")
    finetuning.look_and_show()
    monkeypatch.setattr(module, "decide", full)
    finetuning.decide(Decision.PROMOTED)
    assert "No space left" in finetuning.status.message
    assert finetuning.decision is Decision.PROMOTED, "it was promoted, whatever the disk says"


def test_a_damaged_run_is_left_out(opened: Open) -> None:
    finetuning = opened()
    broken = write_run("broken", "finished")
    (broken.folder / STATE_FILE).write_text('{"name": ', encoding="utf-8")
    finetuning.look_and_show()
    assert finetuning.runs == ()
    finetuning.show(broken.folder)
    assert finetuning.state is None
    assert finetuning.status.state is JobState.FAILED


def test_poll_follows_a_run_to_its_proof(opened: Open) -> None:
    finetuning = opened()
    run = write_run("mine")
    made: list[str] = []
    moved: list[str] = []
    finetuning.model_made.connect(made.append)
    finetuning.shown_changed.connect(lambda: moved.append(finetuning.state.status if finetuning.state else ""))
    with alive(run.folder):
        finetuning.look_and_show()
        finetuning.poll()
        assert moved == ["running"], "nothing has moved"
        write_run("mine", step=80)
        finetuning.poll()
        assert finetuning.state is not None
        assert finetuning.state.step == 80
        write_comparison(run.folder)
        write_run("mine", "finished", model_name="mine")
        finetuning.poll()
    assert moved == ["running", "running", "finished"]
    assert made == ["mine"]
    assert finetuning.comparison is not None
    assert finetuning.comparison.verdict == "better"


def test_the_end_of_a_run_that_is_not_shown_is_noticed(opened: Open) -> None:
    finetuning = opened()
    run = write_run("mine")
    made: list[str] = []
    finetuning.model_made.connect(made.append)
    with alive(run.folder):
        finetuning.look_and_show()
        finetuning.show(None)
        write_run("mine", "finished", model_name="mine")
        finetuning.poll()
    assert made == ["mine"]
    assert finetuning.state is None


def test_resume_an_interrupted_run(qtbot: QtBot, opened: Open) -> None:
    fake = FakeCheck()
    finetuning = opened(fake)
    run = write_run("mine")
    finetuning.look_and_show()
    assert finetuning.state is not None
    assert finetuning.state.status == "interrupted"
    finetuning.resume()
    wait_for_end(qtbot, finetuning)
    assert fake.resumed == [run.folder]


def test_orders_reach_the_process_and_a_refusal_is_said(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    finetuning = opened()
    run = write_run("mine")
    orders: list[object] = []

    def refuse(folder: Path) -> None:
        raise DataError("The run has ended.")

    monkeypatch.setattr(module.process, "pause", orders.append)
    monkeypatch.setattr(module.process, "stop", lambda folder, keep: orders.append((folder, keep)))
    monkeypatch.setattr(module.process, "go_on", refuse)
    with alive(run.folder):
        finetuning.look_and_show()
        finetuning.pause()
        finetuning.stop("last")
        finetuning.stop_all()
        assert orders == [run.folder, (run.folder, "last"), (run.folder, "best")]
        finetuning.go_on()
    assert finetuning.status.message == "The run has ended."
    assert read_state(run.folder).name == "mine"


def test_a_discarded_run_keeps_only_its_record(opened: Open) -> None:
    finetuning = opened()
    write_run("mine", status="interrupted")
    finetuning.look_and_show()
    finetuning.stop("discard")
    assert finetuning.state is not None
    assert (finetuning.state.status, finetuning.state.message) == ("stopped", "Stopped; nothing was kept.")
    finetuning.show(None)
    finetuning.look_and_show()
    assert finetuning.state is None, "there is nothing to decide"
