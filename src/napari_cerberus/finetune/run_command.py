"""What the user wants of a run: ``control.json`` in its folder, written by the dock, read by the child process."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from ..errors import CerberusError, DataError, SettingsError
from ..files import write_text
from ..strict_json import read_object

CONTROL_FILE = "control.json"
RunAction = Literal["go", "pause", "stop"]
Keep = Literal["best", "last", "discard"]
POLL_S = 0.5
"""How often a waiting process looks at it."""

_MAX_BYTES = 1 << 16


class StoppedError(CerberusError):
    """The user wants the run to end and nothing to be kept."""


@dataclass(frozen=True, kw_only=True)
class RunCommand:
    """Go on, pause, or stop and keep something.

    Raises
    ------
    SettingsError
        If a value makes no sense.
    """

    what: RunAction = "go"
    keep: Keep = "best"

    def __post_init__(self) -> None:
        if self.what not in get_args(RunAction):
            raise SettingsError(f"A run can go, pause or stop, not {self.what!r}.")
        if self.keep not in get_args(Keep):
            raise SettingsError(f"keep must be best, last or discard, not {self.keep!r}.")


def write_command(folder: Path, command: RunCommand) -> None:
    """Replace ``control.json`` in one step. Raises ``OutputError``."""
    write_text(folder / CONTROL_FILE, json.dumps(asdict(command)) + "\n")


def read_command(folder: Path) -> RunCommand:
    """The wish as it stands; a file that is missing or cannot be understood wishes nothing."""
    path = folder / CONTROL_FILE
    if not path.is_file():
        return RunCommand()
    try:
        return RunCommand(**read_object(path, max_bytes=_MAX_BYTES))
    except (DataError, SettingsError, TypeError):  # written by hand, or just being replaced (Windows)
        return RunCommand()
