"""``kill -9`` in the middle of correcting, again and again: what was kept is there when the image is opened again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from killed_session import squares
from napari_cerberus.annotation.journal import read_journal
from napari_cerberus.viewer.correct.autosave import JOURNALS_VARIABLE

SCRIPT = Path(__file__).parents[1] / "killed_session.py"
KILL_AFTER = (2, 5, 7)
"""Kept objects after which the process is killed, one sitting each."""


@pytest.mark.gui
@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9")
def test_a_killed_napari_loses_nothing_that_was_kept(tmp_path: Path) -> None:
    environment = {**os.environ, JOURNALS_VARIABLE: str(tmp_path / "journals")}
    environment["PYTHONPATH"] = str(SCRIPT.parent)
    for sitting, last in enumerate(KILL_AFTER):
        kept = _sit_and_die(tmp_path, f"tile {sitting}", last, environment)
        (path,) = (tmp_path / "journals").glob("*/journal.jsonl")
        replay = read_journal(path)
        drawn = int(replay.labels["glands"].max()) - 1
        assert drawn >= kept
        np.testing.assert_array_equal(replay.labels["glands"], squares(drawn))
        np.testing.assert_array_equal(replay.model_labels["glands"], squares(0))


def _sit_and_die(folder: Path, name: str, last: int, environment: dict[str, str]) -> int:
    """Run a sitting until ``last`` objects are kept and kill it; how many it said were kept."""
    command = [sys.executable, str(SCRIPT), str(folder), name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        kept = 0
        for line in process.stdout:
            if line.startswith("kept "):
                kept = int(line.split()[1])
            if kept >= last:
                process.kill()
                break
    assert kept >= last, "the sitting ended by itself"
    return kept
