"""One writer at a time: an advisory lock on an open file, which ends with the process however that dies."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

from .errors import OutputError


def open_lock_file(path: Path) -> IO[bytes]:
    """Open the file to lock, making its folder. Raises ``OutputError`` where the folder cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab")
    except OSError as error:
        raise OutputError(f"{path.parent} cannot be written: {error.strerror or error}.") from error


if sys.platform == "win32":
    import msvcrt

    _FAR_BYTE = 1 << 30
    """Far behind the text, so that others can read it: where Windows locks a byte, nobody else can."""

    def lock(descriptor: int) -> bool:
        """Try to lock an open file; False if someone else has it. It is freed when the file is closed."""
        position = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.lseek(descriptor, _FAR_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, position, os.SEEK_SET)
        return True

else:
    import errno
    import fcntl

    def lock(descriptor: int) -> bool:
        """Try to lock an open file; False if someone else has it. It is freed when the file is closed."""
        # flock, not lockf: it also keeps two windows of one process apart
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            # Some network disks know no locks: better to go on there without one than not at all.
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise
        return True
