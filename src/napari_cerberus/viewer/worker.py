"""Long work beside the window: runs a ``progress.Job`` in a worker thread and reports its one end.

The only user of napari's threading. What napari's own generator worker gets wrong is mended here: a ``RuntimeError``
in it vanishes without a signal (and torch's errors are ``RuntimeError``), and an aborted generator is never closed, so
its ``finally`` never runs. Here the job is closed in its own thread, whatever happens.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from napari.qt.threading import GeneratorWorkerSignals, WorkerBase, create_worker

from ..errors import CerberusError, DeviceError, JobCancelled
from ..installation import explain_import_failure
from ..model.llvm_clash import load_triton_apart
from ..progress import Job, Progress

logger = logging.getLogger(__name__)
Result = TypeVar("Result")
_CLOSE_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Returned(Generic[Result]):
    """The job came to its end."""

    result: Result


@dataclass(frozen=True)
class Cancelled:
    """The user, or the closing window, stopped the job."""


@dataclass(frozen=True)
class Failed:
    """The job raised; ``error`` says in one sentence what happened and what to do."""

    error: CerberusError


End = Returned[Any] | Cancelled | Failed


class JobRunner:
    """Runs one job at a time.

    Parameters
    ----------
    title : str
        What these jobs do ("Annotation"); stands in messages and in napari's question on closing.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._number = 0
        self._worker: _Worker | None = None
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether a job runs, or was cancelled and has not stopped yet."""
        return self._worker is not None

    def start(
        self,
        make_job: Callable[[], Job[Any]],
        *,
        on_progress: Callable[[Progress], None],
        on_end: Callable[[End], None],
    ) -> int:
        """Run the job that ``make_job`` makes, in a worker; both callbacks run on the calling (main) thread.

        Returns
        -------
        int
            The job's number. ``on_end`` is called exactly once for it, unless the runner is closed first.

        Raises
        ------
        CerberusError
            If a job is running already, or the runner is closed.
        """
        if self.busy or self._closed:
            raise CerberusError(f"{self._title} is already running; wait for its end or cancel it.")
        load_triton_apart()  # the window may have opened since our first import; a job may load torch
        self._number += 1
        worker: _Worker = create_worker(
            _Task(self._title, make_job), _worker_class=_Worker, _start_thread=False, _ignore_errors=True
        )
        worker.yielded.connect(partial(self._report, self._number, on_progress))
        worker.finished.connect(partial(self._finish, self._number, on_end))
        self._worker = worker
        worker.start()
        return self._number

    def cancel(self) -> None:
        """Ask the running job to stop at its next step; its end is reported as ``Cancelled``."""
        if self._worker is not None:
            self._worker.quit()

    def close(self) -> None:
        """Stop the job, wait until its thread has let go of it, and report nothing more."""
        self._closed = True
        worker, self._worker = self._worker, None
        if worker is None:
            return
        worker.quit()
        if not worker.wait(_CLOSE_TIMEOUT_S):
            logger.warning("%s did not stop within %g s.", self._title, _CLOSE_TIMEOUT_S)

    def _report(self, number: int, on_progress: Callable[[Progress], None], step: Progress) -> None:
        worker = self._worker
        if number == self._number and worker is not None and not worker.abort_requested:
            on_progress(step)

    def _finish(self, number: int, on_end: Callable[[End], None]) -> None:
        worker = self._worker
        if worker is None or number != self._number:
            return
        self._worker = None
        # napari's list of tasks keeps the worker for ever: take what is large out of it
        on_end(worker.take_end())


class _Task:
    """What a worker runs; napari shows its ``str`` when it asks before closing."""

    def __init__(self, title: str, make_job: Callable[[], Job[Any]]) -> None:
        self.title = title
        self.make_job: Callable[[], Job[Any]] | None = make_job

    def __str__(self) -> str:
        return self.title

    def __call__(self) -> Job[Any]:
        make_job, self.make_job = self.make_job, None
        if make_job is None:
            raise CerberusError(f"{self.title} was already started.")
        return make_job()


class _Worker(WorkerBase):
    """Drives a job to one of its ends, which it keeps; it never raises."""

    def __init__(self, task: _Task) -> None:
        super().__init__(SignalsClass=GeneratorWorkerSignals)
        self._task = task
        self._end: End = Cancelled()
        self._lock = threading.Lock()
        self._begun = False
        self._stopped = threading.Event()

    def work(self) -> None:
        """Runs in the worker thread."""
        with self._lock:
            self._begun = True
        try:
            self._end = self._drive()
        except CerberusError as error:
            self._end = Cancelled() if isinstance(error, JobCancelled) else Failed(error)
        except MemoryError as error:
            self._end = Failed(_out_of_memory(self._task.title, error))
        except Exception as error:
            logger.exception("%s failed", self._task.title)
            self._end = Failed(_unexpected(self._task.title, error))
        finally:
            self._stopped.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait until the job is closed; a worker that has not begun will not begin."""
        with self._lock:
            if not self._begun:
                return True
        return self._stopped.wait(timeout_s)

    def take_end(self) -> End:
        """The end, once; afterwards nothing large is kept."""
        end, self._end = self._end, Cancelled()
        return Cancelled() if self.abort_requested else end

    def _drive(self) -> End:
        if self.abort_requested:
            return Cancelled()
        job = self._task()
        try:
            while not self.abort_requested:
                try:
                    step = next(job)
                except StopIteration as stop:
                    return Returned(stop.value)
                self.yielded.emit(step)
            return Cancelled()
        finally:
            job.close()


def _out_of_memory(title: str, error: BaseException) -> CerberusError:
    problem = DeviceError(f"{title} ran out of memory; choose a smaller region or close other programs.")
    problem.__cause__ = error
    return problem


def _unexpected(title: str, error: Exception) -> CerberusError:
    if (explained := explain_import_failure(error)) is not None:
        explained.__cause__ = error
        return explained
    first_line = (str(error).strip().splitlines() or [""])[0][:200]
    if "out of memory" in first_line.lower():
        return _out_of_memory(title, error)
    problem = CerberusError(f"{title} failed ({type(error).__name__}: {first_line}); the log has the details.")
    problem.__cause__ = error
    return problem
