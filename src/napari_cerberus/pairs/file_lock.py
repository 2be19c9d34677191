"""One writer at a time: an advisory lock on an open file, which ends with the process however that dies."""

from __future__ import annotations

import sys
from typing import IO

if sys.platform == "win32":
    import msvcrt

    _FAR_AWAY = 2**40

    def lock(stream: IO[bytes]) -> bool:
        """Try to lock an open file; False if another process has it. It is freed when the file is closed."""
        position = stream.tell()
        stream.seek(_FAR_AWAY)  # beyond the content, so that readers are not locked out
        try:
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            stream.seek(position)
        return True

else:
    import errno
    import fcntl

    def lock(stream: IO[bytes]) -> bool:
        """Try to lock an open file; False if another process has it. It is freed when the file is closed."""
        try:
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            # Some network disks know no locks: better to export there without one than not at all.
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise
        return True
