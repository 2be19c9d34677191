"""The guard over the end of test processes, tried on small runs of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("xdist")

LEAVES_A_THREAD = """
from qtpy.QtCore import QCoreApplication, QThread
app = QCoreApplication.instance() or QCoreApplication([])
thread = QThread(app)

def test_leaves_a_thread_running():
    thread.start()
"""
ENDS_BADLY = """
import atexit, os

def test_passes():
    atexit.register(os._exit, 7)
"""
ENDS_WELL = "def test_passes(): pass\n"


def run_in_a_worker(folder: Path, body: str) -> subprocess.CompletedProcess[str]:
    """Run a test file in one worker, with our guard."""
    (folder / "conftest.py").write_text("from worker_exit import pytest_sessionfinish, pytest_xdist_newgateway\n")
    (folder / "test_one.py").write_text(body)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "xdist.plugin",
            "-n",
            "1",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            folder,
        ],
        cwd=folder,
        env=inherited | {"PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("body", [LEAVES_A_THREAD, ENDS_BADLY], ids=["thread", "exit code"])
def test_a_worker_that_ends_badly_fails_a_run_whose_tests_passed(tmp_path: Path, body: str) -> None:
    done = run_in_a_worker(tmp_path, body)
    assert "1 passed" in done.stdout
    assert "FAILED worker gw0" in done.stdout
    assert done.returncode == 1


def test_a_worker_that_ends_well_does_not(tmp_path: Path) -> None:
    done = run_in_a_worker(tmp_path, ENDS_WELL)
    assert "1 passed" in done.stdout
    assert done.returncode == 0, done.stdout + done.stderr
