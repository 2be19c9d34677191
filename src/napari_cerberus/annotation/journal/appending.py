"""A file that only grows: each piece is whole or not there, and reaches the disk within a second."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from ...errors import OutputError

logger = logging.getLogger(__name__)

SYNC_WITHIN_S = 1.0
"""A piece reaches the operating system at once, so a killed process loses nothing; it reaches the disk at most this
much later, so a power cut loses no more."""


class AppendFile:
    """An existing file, open for appending by one writer.

    Parameters
    ----------
    path : Path

    Raises
    ------
    OutputError
        If it cannot be opened for writing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._guard = threading.Lock()
        self._timer: threading.Timer | None = None
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
        self.size = os.fstat(self._descriptor).st_size

    def append(self, data: bytes) -> None:
        """Add a piece; on failure the file is as it was.

        Raises
        ------
        OutputError
            If the disk is full or the file was removed or changed by someone else.
        """
        with self._guard:
            self._check_ours()
            try:
                self._write(data)
            except OSError as error:
                self._cut_back()
                raise OutputError(f"{self.path} cannot be written: {error.strerror or error}.") from error
            self.size += len(data)
            if self._timer is None:
                self._timer = threading.Timer(SYNC_WITHIN_S, self._sync_late)
                self._timer.daemon = True
                self._timer.start()

    def sync(self) -> None:
        """Bring everything to the disk now.

        Raises
        ------
        OutputError
            If the disk fails.
        """
        with self._guard:
            self._cancel_timer()
            try:
                os.fsync(self._descriptor)
            except OSError as error:
                raise OutputError(f"{self.path} cannot be written: {error.strerror or error}.") from error

    def close(self) -> None:
        """Sync and close. Raises ``OutputError`` if the disk fails; the file is closed all the same."""
        try:
            self.sync()
        finally:
            os.close(self._descriptor)
            self._descriptor = -1

    def _check_ours(self) -> None:
        try:
            found, ours = os.stat(self.path), os.fstat(self._descriptor)
        except OSError as error:
            raise OutputError(f"{self.path} was removed.") from error
        if not os.path.samestat(found, ours) or ours.st_size != self.size:
            raise OutputError(f"{self.path} was changed by another program.")

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def _cut_back(self) -> None:
        try:
            os.ftruncate(self._descriptor, self.size)
        except OSError:  # the reader drops an unfinished line, so this only spares it the trouble
            logger.warning("%s could not be cut back after a failed write", self.path)

    def _sync_late(self) -> None:
        with self._guard:
            self._timer = None
            if self._descriptor < 0:
                return
            own = os.dup(self._descriptor)
        try:
            os.fsync(own)  # not under the guard: a slow disk must not hold up the next change
        except OSError as error:
            logger.warning("%s did not reach the disk: %s", self.path, error)
        finally:
            os.close(own)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
