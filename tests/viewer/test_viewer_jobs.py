"""Every job has one end, reported once, and its generator is closed in its own thread."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from napari_cerberus.errors import CerberusError, DeviceError, ImageError, JobCancelled
from napari_cerberus.progress import Job, Progress
from napari_cerberus.viewer.worker import Cancelled, End, Failed, JobRunner, Returned


class Listener:
    """Collects what a runner reports, and on which thread."""

    def __init__(self) -> None:
        self.steps: list[Progress] = []
        self.ends: list[End] = []
        self.threads: set[threading.Thread] = set()

    def progress(self, step: Progress) -> None:
        self.steps.append(step)
        self.threads.add(threading.current_thread())

    def end(self, end: End) -> None:
        self.ends.append(end)
        self.threads.add(threading.current_thread())


@pytest.fixture
def runner(qapp: Any) -> Iterator[JobRunner]:
    made = JobRunner("Testing")
    yield made
    made.close()


def run(qtbot: QtBot, runner: JobRunner, make_job: Callable[[], Job[Any]]) -> Listener:
    """Start and wait for the end; then give a second end the chance to show."""
    heard = Listener()
    runner.start(make_job, on_progress=heard.progress, on_end=heard.end)
    qtbot.waitUntil(lambda: bool(heard.ends), timeout=10_000)
    qtbot.wait(10)
    return heard


def counting(steps: int, result: Any = "done") -> Job[Any]:
    for step in range(steps):
        yield Progress("Counting", step, steps)
    return result


def failing(error: BaseException) -> Job[None]:
    yield Progress("Failing")
    raise error


def test_the_result_and_every_step_arrive_on_the_main_thread(qtbot: QtBot, runner: JobRunner) -> None:
    heard = run(qtbot, runner, lambda: counting(3))
    assert heard.ends == [Returned("done")]
    assert [step.done for step in heard.steps] == [0, 1, 2]
    assert heard.threads == {threading.main_thread()}
    assert not runner.busy


@pytest.mark.parametrize("error", [RuntimeError("CUDA error"), ValueError("no"), KeyError("x"), ZeroDivisionError()])
def test_any_exception_is_one_failure_with_a_sentence(
    qtbot: QtBot, runner: JobRunner, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.CRITICAL):
        heard = run(qtbot, runner, lambda: failing(error))
    (end,) = heard.ends
    assert isinstance(end, Failed)
    assert str(end.error).startswith(f"Testing failed ({type(error).__name__}")
    assert "\n" not in str(end.error)
    assert end.error.__cause__ is error


def test_our_own_errors_pass_unchanged(qtbot: QtBot, runner: JobRunner) -> None:
    error = ImageError("The image is grey.")
    heard = run(qtbot, runner, lambda: failing(error))
    assert heard.ends == [Failed(error)]


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")])
def test_running_out_of_memory_says_so(
    qtbot: QtBot, runner: JobRunner, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.CRITICAL):
        (end,) = run(qtbot, runner, lambda: failing(error)).ends
    assert isinstance(end, Failed)
    assert isinstance(end.error, DeviceError)
    assert "smaller region" in str(end.error)


def test_a_job_that_cannot_be_made_fails(qtbot: QtBot, runner: JobRunner, caplog: pytest.LogCaptureFixture) -> None:
    def make() -> Job[None]:
        raise OSError("disk is gone")

    with caplog.at_level(logging.CRITICAL):
        (end,) = run(qtbot, runner, make).ends
    assert isinstance(end, Failed)


def test_a_job_may_cancel_itself(qtbot: QtBot, runner: JobRunner) -> None:
    assert run(qtbot, runner, lambda: failing(JobCancelled("stop"))).ends == [Cancelled()]


class Endless:
    """A job that only ends when it is stopped; it remembers where it was closed."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.closed_on: list[threading.Thread] = []

    def __call__(self) -> Job[None]:
        try:
            while True:
                self.started.set()
                yield Progress("Working")
        finally:
            self.closed_on.append(threading.current_thread())


def test_cancel_closes_the_generator_in_its_own_thread(qtbot: QtBot, runner: JobRunner) -> None:
    heard, job = Listener(), Endless()
    runner.start(job, on_progress=heard.progress, on_end=heard.end)
    qtbot.waitUntil(lambda: len(heard.steps) > 2, timeout=10_000)
    runner.cancel()
    seen = len(heard.steps)
    qtbot.waitUntil(lambda: bool(heard.ends), timeout=10_000)
    qtbot.wait(10)
    assert heard.ends == [Cancelled()]
    assert len(heard.steps) == seen, "a cancelled job must not report progress"
    (thread,) = job.closed_on
    assert thread is not threading.main_thread()


def test_an_answer_that_comes_after_cancel_is_dropped(qtbot: QtBot, runner: JobRunner) -> None:
    gate, reached = threading.Event(), threading.Event()

    def job() -> Job[str]:
        yield Progress("Working")
        reached.set()
        gate.wait(10)
        return "too late"

    heard = Listener()
    runner.start(job, on_progress=heard.progress, on_end=heard.end)
    qtbot.waitUntil(reached.is_set, timeout=10_000)
    runner.cancel()
    gate.set()
    qtbot.waitUntil(lambda: bool(heard.ends), timeout=10_000)
    assert heard.ends == [Cancelled()]


def test_one_job_at_a_time_and_the_next_one_gets_a_new_number(qtbot: QtBot, runner: JobRunner) -> None:
    heard, job = Listener(), Endless()
    first = runner.start(job, on_progress=heard.progress, on_end=heard.end)
    with pytest.raises(CerberusError, match="already running"):
        runner.start(job, on_progress=heard.progress, on_end=heard.end)
    runner.cancel()
    qtbot.waitUntil(lambda: not runner.busy, timeout=10_000)
    second = Listener()
    assert runner.start(lambda: counting(1), on_progress=second.progress, on_end=second.end) > first
    qtbot.waitUntil(lambda: bool(second.ends), timeout=10_000)
    assert second.ends == [Returned("done")]


def test_closing_waits_for_the_thread_and_reports_nothing(qtbot: QtBot, runner: JobRunner) -> None:
    heard, job = Listener(), Endless()
    runner.start(job, on_progress=heard.progress, on_end=heard.end)
    qtbot.waitUntil(job.started.is_set, timeout=10_000)
    runner.close()
    assert len(job.closed_on) == 1
    steps = len(heard.steps)
    qtbot.wait(20)
    assert heard.ends == []
    assert len(heard.steps) == steps
    with pytest.raises(CerberusError):
        runner.start(job, on_progress=heard.progress, on_end=heard.end)


def test_closing_before_the_thread_began_does_not_wait(qtbot: QtBot, runner: JobRunner) -> None:
    heard, job = Listener(), Endless()
    runner.start(job, on_progress=heard.progress, on_end=heard.end)
    runner.close()
    qtbot.wait(20)
    assert heard.ends == []
    assert not job.closed_on or job.closed_on[0] is not threading.main_thread()


def test_nothing_large_is_kept_after_the_end(qtbot: QtBot, runner: JobRunner) -> None:
    class Large:
        pass

    def make() -> Job[Large]:
        return counting(1, Large())

    heard = run(qtbot, runner, make)
    (end,) = heard.ends
    assert isinstance(end, Returned)
    alive = weakref.ref(end.result)
    heard.ends.clear()
    del end
    qtbot.wait(10)
    gc.collect()
    assert alive() is None
