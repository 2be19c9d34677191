"""One writer per journal: a lock file that the operating system frees when its process dies, however it dies.

The file also names process and computer, for the message and for folders on a network, where the operating system's
lock does not reach: a lock of another computer counts as held until it was silent for a day.
"""

from __future__ import annotations

import json
import os
import platform
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import CerberusError, DataError
from ...locks import lock
from ...strict_json import loads

_FILE = "lock"
_STALE_S = 24 * 3600


class LockedError(CerberusError):
    """Another window annotates the same image."""


@dataclass(kw_only=True)
class FolderLock:
    """A held lock. ``beat`` from time to time, ``release`` at the end."""

    path: Path
    descriptor: int

    def beat(self) -> None:
        """Tell other computers that this one is alive; where that fails, nothing here is worse off."""
        with suppress(OSError):
            os.utime(self.path)

    def release(self) -> None:
        """Free the folder. The file stays: deleting it could free it for two at once."""
        os.ftruncate(self.descriptor, 0)
        os.close(self.descriptor)


def lock_folder(folder: Path, *, take_over: bool = False) -> FolderLock:
    """Lock a folder for this window.

    Parameters
    ----------
    take_over : bool
        Also where another computer seems to hold it.

    Raises
    ------
    LockedError
        If another window holds it; says which.
    OSError
        If the folder cannot be written.
    """
    path = folder / _FILE
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    holder = _read_holder(descriptor)
    try:
        if not lock(descriptor):
            raise LockedError(f"This image is already being annotated in another window ({_described(holder)}).")
        if not take_over and _held_elsewhere(holder, path):
            raise LockedError(
                f"This image is being annotated on another computer ({_described(holder)}); "
                f"if it no longer is, delete {path}."
            )
        _write_holder(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return FolderLock(path=path, descriptor=descriptor)


def _read_holder(descriptor: int) -> dict[str, Any]:
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        holder = loads(os.read(descriptor, 4096).decode("utf-8", "replace") or "{}", "lock")
    except DataError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _write_holder(descriptor: int) -> None:
    holder = {"process": os.getpid(), "computer": platform.node(), "since": time.strftime("%Y-%m-%d %H:%M")}
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, json.dumps(holder).encode())


def _held_elsewhere(holder: dict[str, Any], path: Path) -> bool:
    elsewhere = bool(holder) and holder.get("computer") != platform.node()
    return elsewhere and abs(time.time() - path.stat().st_mtime) < _STALE_S


def _described(holder: dict[str, Any]) -> str:
    names = [f"{name} {holder[name]}" for name in ("process", "computer", "since") if holder.get(name)]
    return ", ".join(names) or "it does not say which"
