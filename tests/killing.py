"""Processes that die at their n-th write, for tests of what they leave behind."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

_WRITES = {"os.link", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree"}
_EXIT_KILLED = 77

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def is_write(event: str, arguments: tuple[Any, ...]) -> bool:
    if event == "open":
        flags = arguments[2] if isinstance(arguments[2], int) else 0
        return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    return event in _WRITES


def killed_at(step: int, action: Callable[[], object]) -> bool:
    """Run ``action`` in a child that dies, without any clean-up, at its n-th write; False if it got to its end."""
    child = os.fork()
    if child == 0:
        seen = 0

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal seen
            if is_write(event, arguments):
                seen += 1
                if seen == step:
                    os._exit(_EXIT_KILLED)

        status = 1
        try:
            sys.addaudithook(hook)
            action()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, _EXIT_KILLED), code
    return code == _EXIT_KILLED
