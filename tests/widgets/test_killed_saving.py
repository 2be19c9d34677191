"""``kill -9`` while File ▸ Save replaces an annotation: one whole version is there when somebody looks again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from killed_session import squares
from napari_cerberus.annotation.store import load_annotation
from napari_cerberus.viewer.correct.autosave import JOURNALS_VARIABLE

SCRIPT = Path(__file__).parents[1] / "killed_saving.py"
OLD, NEW = 0, 1
"""Drawn objects in the version that was saved first, and in the one that was being saved."""


@pytest.mark.gui
@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9")
@pytest.mark.parametrize(
    ("kind", "step", "left"),
    [
        ("open", 3, OLD),  # the new files are half written
        ("os.rename", 2, OLD),  # the old folder has stepped aside, the new one is not there yet
        ("shutil.rmtree", 1, NEW),  # the new one is there, the old one not yet gone
    ],
)
def test_a_killed_save_leaves_one_whole_version(tmp_path: Path, kind: str, step: int, left: int) -> None:
    target = tmp_path / "saved" / "tile.cerberus"
    target.parent.mkdir()
    environment = {**os.environ, JOURNALS_VARIABLE: str(tmp_path / "journals")}
    environment["PYTHONPATH"] = os.pathsep.join([str(SCRIPT.parent), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(SCRIPT), str(target), kind, str(step)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout == "saved 0\n"
    saved = load_annotation(target)
    np.testing.assert_array_equal(saved.labels["glands"], squares(left))
    assert len(saved.objects_of("glands")) == 1 + left
