"""What a run says about itself: ``state.json`` in its folder, written by the child process, read by everybody.

Whether the process still lives is not taken from its number, which another program may have got meanwhile, but from a
lock that it holds and that the operating system frees when it dies, however it dies.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from ..errors import DataError, ModelError
from ..files import folders_in, inside, write_text
from ..locks import lock
from ..model.library.entries import entry_of, library_folder
from ..strict_json import read_object
from .run_command import read_command

Status = Literal[
    "queued",
    "running",
    "pausing",
    "paused",
    "stopping",
    "proving",
    "finished",
    "stopped",
    "failed",
    "interrupted",
]
LIVE: tuple[Status, ...] = ("queued", "running", "pausing", "paused", "stopping", "proving")
"""States of a run whose process must be there; without one it was interrupted."""

RUNS_VARIABLE = "NAPARI_CERBERUS_RUNS"
STATE_FILE = "state.json"
LOCK_FILE = "process.lock"
STARTING_S = 60.0
"""How long a process that was just started may take before it holds its lock."""

_MAX_BYTES = 64 << 20
_READ_AGAIN_S = 0.05
_INTERRUPTED = "Interrupted: its process ended without a word. Go on from the last checkpoint, or discard it."
_NOT_COMPARED = "Interrupted while it was compared with the old model; the new one is in the library."


@dataclass(frozen=True, kw_only=True)
class Point:
    """One point of the curves.

    Attributes
    ----------
    step : int
    losses : mapping of task to float
        Mean training losses since the point before.
    figures : mapping of task to float
        Validation: Dice of a dense task, mean of accuracy and balanced accuracy for tissue; empty between validations.
    by_category : mapping of category to (mapping of task to float)
        The same by category; tissue: share of the category's tiles that were told right.
    """

    step: int
    losses: Mapping[str, float] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    by_category: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RunState:
    """Where a run stands.

    Attributes
    ----------
    folder : Path
    name, base_name, base_sha256 : str
        Of the new model and of the one it starts from; SHA-256 of the latter's weights.
    status : str
        See ``Status``.
    message : str
        One sentence for the user.
    step, steps : int
        Batches done and planned.
    seconds_left : float or None
        None where it cannot be said.
    started_at, updated_at : float
        Seconds since 1970.
    pid : int
    best_step : int
        Step of the best validation so far; 0 before the first.
    history : tuple of Point
    overlays : tuple of Path
        Pictures of validation tiles, newest last.
    early_stop : str
        Why training ended early; "" if it did not.
    model_name, model_sha256 : str
        Name in the library when it got there, and SHA-256 of its weights, by which it is found after a new name.
    """

    folder: Path
    name: str
    base_name: str
    base_sha256: str = ""
    status: Status = "queued"
    message: str = ""
    step: int = 0
    steps: int = 0
    seconds_left: float | None = None
    started_at: float = 0.0
    updated_at: float = 0.0
    pid: int = 0
    best_step: int = 0
    history: tuple[Point, ...] = ()
    overlays: tuple[Path, ...] = ()
    early_stop: str = ""
    model_name: str = ""
    model_sha256: str = ""

    @property
    def live(self) -> bool:
        """Whether its process works, waits or is paused."""
        return self.status in LIVE


_KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("name", "base_name", "base_sha256", "message", "early_stop", "model_name", "model_sha256"), str),
    **dict.fromkeys(("step", "steps", "pid", "best_step"), int),
    **dict.fromkeys(("started_at", "updated_at"), (int, float)),
    **dict.fromkeys(("history", "overlays"), list),
}


def runs_folder() -> Path:
    """Where runs live: ``NAPARI_CERBERUS_RUNS``, else beside the library of models."""
    chosen = os.environ.get(RUNS_VARIABLE)
    return Path(chosen).absolute() if chosen else library_folder().parent / "runs"


def read_state(folder: Path) -> RunState:
    """The state of a run; one whose process is gone is interrupted.

    Raises
    ------
    DataError
        If the folder holds no run, or a damaged one.
    """
    state = stored_state(folder)
    command = read_command(folder)
    starting = time.time() - state.updated_at < STARTING_S and state.pid == 0
    if state.live and not starting and not is_alive(folder):
        # It may have ended properly between the two looks.
        state = stored_state(folder)
        if state.live:
            message = _NOT_COMPARED if state.model_name else _INTERRUPTED
            return replace(state, status="interrupted", message=message, seconds_left=None)
    if command.what == "stop" and state.status in ("queued", "running", "paused"):
        return replace(state, status="stopping")
    return replace(state, status="pausing") if command.what == "pause" and state.status == "running" else state


def stored_state(folder: Path) -> RunState:
    """The state as the file has it, whether or not its process lives. Raises ``DataError``."""
    path = folder / STATE_FILE
    data = _read(path)
    try:
        if unknown := sorted(set(data) - {item.name for item in fields(RunState)}):
            raise DataError(f"{path}: unknown field {unknown[0]!r}.")
        if data["status"] not in get_args(Status):
            raise DataError(f"{path}: status {data['status']!r} is not known.")
        if wrong := [name for name, kind in _KINDS.items() if name in data and not _is(data[name], kind)]:
            raise DataError(f"{path} is damaged: field {wrong[0]!r} is of the wrong type; discard this run.")
        data["history"] = tuple(Point(**point) for point in data["history"])
        data["overlays"] = tuple(inside(folder, str(name)) for name in data["overlays"])
        return RunState(**{**data, "folder": folder})
    except (TypeError, KeyError) as error:
        raise DataError(f"{path} is damaged: {str(error)[:200]}; discard this run.") from error


def _is(value: Any, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _read(path: Path) -> dict[str, Any]:
    """Once more where it fails: on Windows it cannot be opened at the moment it is replaced."""
    try:
        return read_object(path, max_bytes=_MAX_BYTES)
    except DataError:
        time.sleep(_READ_AGAIN_S)
        return read_object(path, max_bytes=_MAX_BYTES)


def write_state(state: RunState) -> None:
    """Replace ``state.json`` in one step. Raises ``OutputError``."""
    data: dict[str, Any] = asdict(replace(state, updated_at=time.time()))
    del data["folder"]
    data["overlays"] = [path.relative_to(state.folder).as_posix() for path in state.overlays]
    write_text(state.folder / STATE_FILE, json.dumps(data, ensure_ascii=False) + "\n")


def find_runs() -> list[RunState]:
    """Every readable run, the newest first."""
    root = runs_folder()
    found = []
    for folder in folders_in(root):
        try:
            if (folder / STATE_FILE).is_file():
                found.append(read_state(folder))
        except (DataError, OSError):
            continue  # half-written by a kill, by a newer version, or somebody else's: nothing that can be shown
    return sorted(found, key=lambda state: (-state.started_at, state.folder.name))


def refuse_in_use(model_name: str) -> None:
    """Raises ``ModelError`` if a run that works, waits or is paused starts from this model of the library."""
    sha256 = entry_of(model_name).sha256
    for run in find_runs():
        if run.live and sha256 in (run.base_sha256, run.model_sha256):
            raise ModelError(f"The fine-tuning {run.name!r} needs {model_name!r}; wait for its end, or stop it first.")


def is_alive(folder: Path) -> bool:
    """Whether the run's process holds its lock."""
    try:
        with (folder / LOCK_FILE).open("rb+") as stream:
            return not lock(stream.fileno())
    except OSError:  # no such file, or nobody may look into it
        return False
