"""The process of a run: ``python -m napari_cerberus.finetune.run.child FOLDER``.

It holds the run's lock while it lives, waits for its turn without loading torch, and is the only writer of the state.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ...errors import CerberusError, DataError, OutputError
from ...locks import lock
from ..run_command import POLL_S, StoppedError, read_command
from ..run_state import LOCK_FILE, RunState, is_alive, runs_folder, stored_state
from .process import FEATURES_FOLDER, TRAINING_FOLDER, discard, lower_priority
from .state_reporter import Reporter

LANE_FILE = "lane.lock"
_TRIES = 20
_TRY_EVERY_S = 0.1


def main(arguments: list[str]) -> int:
    """Work on the run of a folder to its end; 1 if it failed or another process has it."""
    folder = Path(arguments[0])
    lower_priority()
    with (folder / LOCK_FILE).open("ab+") as own:
        if not _taken(own):
            sys.stderr.write("Another process works on this run.\n")
            return 1
        reporter = Reporter(stored_state(folder))
        reporter.say(pid=os.getpid(), status="queued")
        try:
            with _told(reporter):
                _work(reporter)
        except StoppedError:
            if reporter.state.model_name:  # it only waited to be compared
                reporter.say(status="finished", message="The comparison was stopped.")
            else:
                discard(reporter.state)
        except CerberusError as error:
            sys.stderr.write(f"{error}\n")
            _say_failed(reporter, str(error))
            return 1
    return 0


def _work(reporter: Reporter) -> None:
    folder = reporter.state.folder
    with (folder.parent / LANE_FILE).open("ab+") as lane:
        _wait_for_turn(lane, reporter)
        reporter.say(status="running", message="Loading.")
        from .run_worker import learn  # torch takes seconds to load and 200 MB: not while waiting

        learn(reporter)


@contextmanager
def _told(reporter: Reporter) -> Iterator[None]:
    """A defect of ours must not leave a run that seems to work: say so, and let the traceback go to the log."""
    over = False
    try:
        yield
        over = True
    except CerberusError:
        over = True
        raise
    finally:
        if not over:
            message = f"An error that was not foreseen ended the run; {reporter.state.folder / 'log.txt'} has it."
            _say_failed(reporter, message)


def _say_failed(reporter: Reporter, message: str) -> None:
    """On a full disk there is no room even for the sentence: what can be computed again makes some."""
    for last in (False, True):
        try:
            reporter.say(status="failed", message=message, seconds_left=None)
            return
        except OutputError as error:
            sys.stderr.write(f"{error}\n")
            if not last:
                shutil.rmtree(reporter.state.folder / TRAINING_FOLDER / FEATURES_FOLDER, ignore_errors=True)


def _taken(stream: IO[bytes]) -> bool:
    """Take the lock; somebody who only looks whether we live may have it for a moment."""
    for _ in range(_TRIES):
        if lock(stream.fileno()):
            return True
        time.sleep(_TRY_EVERY_S)
    return False


def _wait_for_turn(lane: IO[bytes], reporter: Reporter) -> None:
    """One run at a time, first come first served. Raises ``StoppedError`` if the user stops it meanwhile."""
    while ahead := _before(reporter.state) or ("" if lock(lane.fileno()) else "another run"):
        command = read_command(reporter.state.folder)
        # A stop that keeps something is the training loop's, once it is this run's turn to load what it has.
        if command.what == "stop" and (command.keep == "discard" or not reporter.state.step):
            raise StoppedError("Stopped while it waited.")
        if reporter.state.message != (sentence := f"Waiting for {ahead} to end."):
            reporter.say(message=sentence)
        time.sleep(POLL_S)
        reporter.beat()


def _before(mine: RunState) -> str:
    """Name of a living run that came before this one; "" if there is none."""
    for folder in sorted(runs_folder().iterdir()):
        if folder == mine.folder or not folder.is_dir() or not is_alive(folder):
            continue
        try:
            other = stored_state(folder)
        except DataError:  # no run, or one that is just being written
            continue
        if other.live and (other.started_at, other.folder.name) < (mine.started_at, mine.folder.name):
            return other.name
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
