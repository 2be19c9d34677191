"""``napari-cerberus models``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_cerberus.cli import models as command
from napari_cerberus.cli.main import main
from napari_cerberus.files import sha256_of
from napari_cerberus.model.library import ModelEntry
from napari_cerberus.model.spec import ModelSpec
from napari_cerberus.tasks import GLANDS, instances


def entry_in(folder: Path, name: str) -> ModelEntry:
    """A model folder whose weights are a few bytes: listing and verifying never read them as a network."""
    path = folder / name
    path.mkdir()
    (path / "weights.safetensors").write_bytes(name.encode())
    sha256 = sha256_of(path / "weights.safetensors")
    spec = ModelSpec(name=name, tasks=(instances(GLANDS),), pixel_size_um=0.5)
    (path / "model.json").write_text(json.dumps({**spec.to_json(), "weights_sha256": sha256}), encoding="utf-8")
    return ModelEntry(name=name, path=path, spec=spec, sha256=sha256)


@pytest.fixture
def entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[ModelEntry]:
    made = [entry_in(tmp_path, "starter"), entry_in(tmp_path, "mine")]
    monkeypatch.setattr(command, "list_models", lambda: made)
    return made


def test_list_shows_name_scale_outputs_hash_and_folder(
    entries: list[ModelEntry], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "list"]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == ["starter", "mine"]
    assert lines[0][1:] == ["0.5 µm/px", "glands", entries[0].sha256, str(entries[0].path)]


def test_verify_tells_whole_from_damaged(entries: list[ModelEntry], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "verify"]) == 0
    assert capsys.readouterr().out == "starter: ok\nmine: ok\n"
    (entries[1].path / "weights.safetensors").write_bytes(b"changed")
    assert main(["models", "verify"]) == 1
    assert "mine: DAMAGED" in capsys.readouterr().out
    assert main(["models", "verify", "starter"]) == 0


def test_verify_names_an_unknown_model_and_refuses_an_empty_library(
    entries: list[ModelEntry], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "verify", "nope"]) == 1
    assert "'nope'" in capsys.readouterr().err
    entries.clear()
    assert main(["models", "verify"]) == 1
    assert main(["models", "list"]) == 0
    assert "No models are installed" in capsys.readouterr().err
