"""Two processes over gloo end with one and the same network, and only one of them writes."""

import subprocess
import sys
from pathlib import Path

import torch

from napari_cerberus.training.run_folder import read_metrics

SCRIPT = Path(__file__).with_name("two_processes.py")


def test_two_processes_train_one_network(tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(SCRIPT)]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in (0, 1))
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], msg=name)
    assert (tmp_path / "judged by 0").exists()
    assert not (tmp_path / "judged by 1").exists(), "one process validates"
    assert (tmp_path / "step0.txt").read_text() == (tmp_path / "step1.txt").read_text()
    rows = [row for row in read_metrics(tmp_path) if "rate" in row]
    assert [row["step"] for row in rows] == [1, 2, 3]
