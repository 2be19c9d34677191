"""A test process that dies after its last test fails the run.

A thread of Qt that a test leaves running aborts the process when it ends. In one process that is seen (exit code 134);
pytest-xdist has its results by then and reports "passed". So the exit code of every worker is looked at.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

_WORKERS: list[Any] = []
_KILLED_BY_XDIST = -9
_PATIENCE_S = 10


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_newgateway(gateway: Any) -> None:
    """Remember a worker that was started."""
    _WORKERS.append(gateway)


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Let pytest-xdist end its workers, then fail the run if one of them did not end cleanly."""
    yield
    complaints = [one for gateway in _WORKERS if (one := _complaint(gateway))]
    _WORKERS.clear()
    if not complaints:
        return
    session.exitstatus = pytest.ExitCode.TESTS_FAILED
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    for complaint in complaints:
        terminal.write_line(complaint, red=True)


def _complaint(gateway: Any) -> str:
    """What was wrong with the end of a worker, as a sentence; empty where nothing was."""
    process: subprocess.Popen[bytes] = gateway._io.popen  # no public name in execnet
    code = process.wait(_PATIENCE_S)
    if code == 0:
        return ""
    if code == _KILLED_BY_XDIST:
        return f"FAILED worker {gateway.id} did not end by itself: a test left a thread running."
    return f"FAILED worker {gateway.id} ended with code {code}: a test left a thread running, or crashed."
