"""``kill -9`` while the model learns in a real window: as before, and what was finished is still finished."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from killed_learning import finished_labels
from napari_cerberus.annotation.journal import read_journal
from napari_cerberus.viewer.correct.autosave import JOURNALS_VARIABLE

SCRIPT = Path(__file__).parents[1] / "killed_learning.py"


@pytest.mark.gui
@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9")
@pytest.mark.parametrize("last_step", [3, 20])
def test_a_kill_while_it_learns_leaves_everything_as_before(tmp_path: Path, last_step: int) -> None:
    environment = {**os.environ, JOURNALS_VARIABLE: str(tmp_path / "journals")}
    environment["PYTHONPATH"] = os.pathsep.join([str(SCRIPT.parent), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(SCRIPT), str(tmp_path), "tile"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line.strip())
            if line.strip() == f"step {last_step}":
                process.kill()
                break
    assert said[-1] == f"step {last_step}", said
    (path,) = (tmp_path / "journals").glob("*/journal.jsonl")
    np.testing.assert_array_equal(read_journal(path).labels["glands"], finished_labels())
    again = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert again.stdout.split("\n")[:2] == ["areas 1", "learned no"], again.stdout + again.stderr
