"""Root writes anywhere; without two capabilities, it is bound by a folder's permissions as everybody is."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator

_VERSION_3 = 0x20080522
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1 << 1, 1 << 2


@contextlib.contextmanager
def as_ordinary_user() -> Iterator[None]:
    """Give up, for a while and in this thread, the right to pass over permissions (Linux's capset, man 2 capget)."""
    if os.name != "posix" or os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        raise NotImplementedError("Run these tests as an ordinary user.")
    libc = ctypes.CDLL(None, use_errno=True)
    header, rights = (ctypes.c_uint32 * 2)(_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    _done(libc.capget(header, rights))
    before = rights[0]
    rights[0] = before & ~(_DAC_OVERRIDE | _DAC_READ_SEARCH)
    _done(libc.capset(header, rights))
    try:
        yield
    finally:
        rights[0] = before
        _done(libc.capset(header, rights))


def _done(answer: int) -> None:
    if answer:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
