"""One change of the library at a time, whatever number of programs is open."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import OutputError
from ...locks import lock, open_lock_file
from .entries import library_folder

LOCK_FILE = ".lock"
WAIT_S = 10.0
_LOOK_EVERY_S = 0.05


@contextmanager
def library_lock(wait_s: float = WAIT_S) -> Iterator[None]:
    """Hold the library; it is let go of at the end, however this process ends.

    Raises
    ------
    OutputError
        If another program holds it for longer than ``wait_s``, or the folder cannot be written.
    """
    folder = library_folder()
    with open_lock_file(folder / LOCK_FILE) as stream:
        until = time.monotonic() + wait_s
        while not lock(stream.fileno()):
            if time.monotonic() >= until:
                raise OutputError(f"Another program is changing the models in {folder}; try again in a moment.")
            time.sleep(_LOOK_EVERY_S)
        yield
