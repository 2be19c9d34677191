"""A computer of its own for every test: library, runs, one base model, the tiny network."""

from __future__ import annotations

from pathlib import Path

import pytest

from finetune import tiny_net
from finetune.pairs_folder import make_pairs
from napari_cerberus.finetune import training_config


@pytest.fixture
def computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder with ``models`` (one base model, "base"), ``runs`` and nothing else."""
    monkeypatch.setenv("NAPARI_CERBERUS_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("NAPARI_CERBERUS_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("CERBERUS_DATA", raising=False)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setattr(training_config, "cores", lambda: 1)  # two threads on a busy computer wait for each other
    tiny_net.shrink(monkeypatch.setattr)
    tiny_net.save_base(tmp_path / "models" / "base")
    return tmp_path


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Pairs of ten patients in two categories."""
    return make_pairs(tmp_path / "pairs")
