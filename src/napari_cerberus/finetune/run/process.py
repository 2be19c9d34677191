"""Starting a run in a process of its own, and telling it what to do. Loads no torch."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import CerberusError, OutputError, SettingsError
from ...pairs.split import write_split
from ...training.config_file import write_config
from ..comparison.comparison_record import comparison_path
from ..run_command import Keep, RunCommand, write_command
from ..run_state import RunState, is_alive, read_state, runs_folder, stored_state, write_state
from .plan_record import write_plan

if TYPE_CHECKING:
    from ..finetune_plan import Plan

CHILD: tuple[str, ...] = ("-P", "-m", "napari_cerberus.finetune.run.child")
"""Python's arguments that start the child process, before the run folder."""

CONFIG_FILE = "config.toml"
SPLIT_FILE = "split.json"
LOG_FILE = "log.txt"
TRAINING_FOLDER = "training"
FEATURES_FOLDER = "features"
"""Below it: cached features, which can be computed again (``training.run_folder`` has it too, with torch)."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
if sys.platform == "win32":
    _WINDOWS_FLAGS = (
        subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW | subprocess.BELOW_NORMAL_PRIORITY_CLASS
    )
else:
    _WINDOWS_FLAGS = 0

_started: list[subprocess.Popen[bytes]] = []
"""Processes that this one started: looked at now and then, so that none that ended is left as a zombie."""


def begin(plan: Plan) -> Path:
    """Write the run folder and start its process; behind another run it waits for its turn.

    Returns
    -------
    Path
        The run folder.

    Raises
    ------
    SettingsError
        If the plan has a stop.
    OutputError
        If the folder cannot be written, or the process cannot be started; nothing is left.
    """
    if plan.stops:
        raise SettingsError(plan.stops[0])
    folder = _new_folder(plan.name)
    try:
        _write(folder, plan)
        _start(folder)
    except CerberusError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def resume(folder: Path) -> None:
    """Go on with a run that was interrupted or failed, from its last checkpoint, or compare one that was not compared.

    Raises
    ------
    SettingsError
        If the run works already, or is over.
    DataError, OutputError
    """
    state = read_state(folder.absolute())
    folder = state.folder
    not_compared = state.status == "finished" and not comparison_path(folder).is_file()
    if not not_compared and state.status not in ("interrupted", "failed"):
        raise SettingsError(f"{state.name} is {state.status}; only a run that was interrupted or failed can go on.")
    write_command(folder, RunCommand())
    _restart(state)


def pause(folder: Path) -> None:
    """Save, and wait. Raises ``SettingsError`` if the run does not work, ``OutputError`` if it cannot be told."""
    _tell(folder, RunCommand(what="pause"))


def go_on(folder: Path) -> None:
    """End a pause. Raises as ``pause``."""
    _tell(folder, RunCommand())


def stop(folder: Path, keep: Keep) -> None:
    """End a run for good.

    Parameters
    ----------
    folder : Path
    keep : {"best", "last", "discard"}
        Make a model of the best or the last weights, or of none. A run without a process is woken for it.

    Raises
    ------
    SettingsError
        If the run is over.
    OutputError
    """
    command = RunCommand(what="stop", keep=keep)
    state = read_state(folder.absolute())
    folder = state.folder
    if state.live:
        write_command(folder, command)
    elif state.status not in ("interrupted", "failed"):
        raise SettingsError(f"{state.name} is {state.status} already.")
    elif keep == "discard":
        discard(stored_state(folder))
    else:
        write_command(folder, command)
        _restart(state)


def discard(state: RunState) -> RunState:
    """Forget what a run has learned; its folder stays as a record. Raises ``OutputError``."""
    shutil.rmtree(state.folder / TRAINING_FOLDER, ignore_errors=True)
    state = replace(state, status="stopped", message="Stopped; nothing was kept.", seconds_left=None)
    write_state(state)
    return state


def command_line(folder: Path) -> str:
    """The command that repeats the run; on the same computer it gives the same weights."""
    words = ["napari-cerberus", "train", str(folder / CONFIG_FILE), "--out", f"{folder.name}-again"]
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def _tell(folder: Path, command: RunCommand) -> None:
    state = read_state(folder)
    if not state.live:
        raise SettingsError(f"{state.name} is {state.status}; there is nothing to tell it.")
    write_command(folder, command)


def _new_folder(name: str) -> Path:
    words = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:40] or "run"
    base = runs_folder() / f"{time.strftime('%Y%m%d-%H%M%S')}-{words}"
    for number in range(1, 1000):
        folder = base if number == 1 else base.with_name(f"{base.name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise OutputError(f"{folder} cannot be made: {error.strerror or error}.") from error
        return folder
    raise OutputError(f"{base.parent} holds too many runs of this name; delete some.")


def _write(folder: Path, plan: Plan) -> None:
    if plan.config is None:
        raise SettingsError("There is nothing to train.")
    write_config(folder / CONFIG_FILE, plan.config)
    write_split(folder / SPLIT_FILE, plan.split)
    write_plan(folder, plan)
    state = RunState(
        folder=folder,
        name=plan.name,
        base_name=plan.base_name,
        base_sha256=plan.base_sha256,
        message="Starting.",
        steps=plan.steps,
        started_at=time.time(),
    )
    write_state(state)


def _restart(state: RunState) -> None:
    write_state(replace(state, status="queued", message="Starting.", pid=0, seconds_left=None))
    _start(state.folder)


def _start(folder: Path) -> None:
    for process in _started[:]:
        if process.poll() is not None:
            _started.remove(process)
    if is_alive(folder):
        raise SettingsError(f"{folder} is being worked on by another process.")
    try:
        with (folder / LOG_FILE).open("ab") as log:
            _started.append(
                subprocess.Popen(
                    [sys.executable, *CHILD, str(folder)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=folder,
                    env=child_environment(),
                    start_new_session=sys.platform != "win32",  # Ctrl+C in napari's terminal does not reach it
                    creationflags=_WINDOWS_FLAGS,
                )
            )
    except OSError as error:
        raise OutputError(f"The run's process cannot be started: {error.strerror or error}.") from error


def child_environment() -> dict[str, str]:
    """One core stays free for the window; the package is found where this process found it."""
    threads = str(max(1, (os.cpu_count() or 1) - 1))
    here = str(Path(str(resources.files("napari_cerberus"))).parent)
    path = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
    own = {name: os.environ.get(name, threads) for name in _THREAD_VARIABLES}
    return {**os.environ, **own, "PYTHONPATH": path}


def lower_priority() -> None:
    """Let everything else on this computer go first; where that is not allowed, nothing is worse off."""
    if hasattr(os, "nice"):
        with suppress(OSError):
            os.nice(10)
