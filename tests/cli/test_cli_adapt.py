"""``napari-cerberus annotate --adapt``: adapt to the images' stain, keep the copy, annotate with it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from napari_cerberus.cli.main import main
from napari_cerberus.model.ancestry import adapted_from
from napari_cerberus.model.checkpoint import save_model
from napari_cerberus.model.library.entries import entry_of
from napari_cerberus.model.network import Cerberus
from napari_cerberus.model.spec import ModelSpec
from napari_cerberus.tasks import GLANDS, instances
from tiny import spotted


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_CERBERUS_MODELS", str(tmp_path / "library"))
    torch.manual_seed(0)
    spec = ModelSpec(name="parent", tasks=(instances(GLANDS),), pixel_size_um=1.0)
    save_model(tmp_path / "parent", Cerberus(spec.tasks), spec, card="# parent")
    return tmp_path / "parent"


def tile(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def annotate(image: Path, out: Path, parent: Path, *more: str) -> int:
    return main(["annotate", str(image), "--out", str(out), "--model", str(parent), "--pixel-size-um", "1", *more])


def test_the_copy_is_kept_and_annotates(parent: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noise = np.random.default_rng(0).normal(0, 12, (96, 96, 3))
    image = tile(tmp_path / "a.png", np.clip(spotted((96, 96)) * 0.7 + noise, 0, 215).astype(np.uint8))
    assert annotate(image, tmp_path / "out", parent, "--adapt", "Klinik Süd") == 0
    kept = entry_of("Klinik Süd")
    assert adapted_from(kept.spec) == "parent"
    assert "“Klinik Süd” was added" in capsys.readouterr().err
    summary = json.loads((tmp_path / "out" / "a" / "summary.json").read_text(encoding="utf-8"))
    assert summary["model"] == {"name": "Klinik Süd", "sha256": kept.sha256}


def test_glass_is_refused_before_anything_is_written(
    parent: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tile(tmp_path / "glass.png", np.full((96, 96, 3), 248, np.uint8))
    assert annotate(image, tmp_path / "out", parent, "--adapt", "lab") != 0
    assert "“glass.png” shows too little tissue" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "library" / "lab").exists()
