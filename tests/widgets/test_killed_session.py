"""``kill -9`` in the middle of correcting, again and again: what was kept is there when the image is opened again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from killed_session import BEFORE, squares
from napari_cerberus.annotation.journal import read_journal
from napari_cerberus.viewer.correct.autosave import JOURNALS_VARIABLE

SCRIPT = Path(__file__).parents[1] / "killed_session.py"
KILL_AFTER = (2, 5, 7)
"""Kept objects after which the process is killed, one sitting each."""


@pytest.mark.gui
@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9")
def test_a_killed_napari_loses_nothing_that_was_kept(tmp_path: Path) -> None:
    environment = {**os.environ, JOURNALS_VARIABLE: str(tmp_path / "journals")}
    environment["PYTHONPATH"] = os.pathsep.join([str(SCRIPT.parent), os.environ.get("PYTHONPATH", "")])
    for sitting, last in enumerate(KILL_AFTER):
        kept = _sit_and_die(tmp_path, f"tile {sitting}", last, environment)
        (path,) = (tmp_path / "journals").glob("*/journal.jsonl")
        replay = read_journal(path)
        drawn = int(replay.labels["glands"].max()) - 1
        assert drawn >= kept
        np.testing.assert_array_equal(replay.labels["glands"], squares(drawn))
        np.testing.assert_array_equal(replay.model_labels["glands"], squares(0))


@pytest.mark.gui
@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9")
def test_what_was_corrected_after_the_layers_were_deleted_is_restored(tmp_path: Path) -> None:
    environment = {**os.environ, JOURNALS_VARIABLE: str(tmp_path / "journals")}
    environment["PYTHONPATH"] = os.pathsep.join([str(SCRIPT.parent), os.environ.get("PYTHONPATH", "")])
    kept = _sit_and_die(tmp_path, "tile", 3, environment, "again")
    (path,) = (tmp_path / "journals").glob("*/journal.jsonl")
    drawn = int(read_journal(path).labels["glands"].max()) - 1
    assert kept <= drawn < BEFORE
    np.testing.assert_array_equal(read_journal(path).labels["glands"], squares(drawn))
    kept = _sit_and_die(tmp_path, "the tile, opened again", drawn + 2, environment)  # restores, and goes on
    after = read_journal(path).labels["glands"]
    np.testing.assert_array_equal(after, squares(int(after.max()) - 1))
    assert int(after.max()) - 1 >= kept >= drawn + 2


def _sit_and_die(folder: Path, name: str, last: int, environment: dict[str, str], *mode: str) -> int:
    """Run a sitting until ``last`` objects are kept and kill it; how many it said were kept."""
    command = [sys.executable, str(SCRIPT), str(folder), name, *mode]
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
