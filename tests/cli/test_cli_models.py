"""``napari-cerberus models``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from model.shelf import open_shelf, put
from napari_cerberus.cli import models_command as command
from napari_cerberus.cli.main import main
from napari_cerberus.files import sha256_of
from napari_cerberus.model import checkpoint
from napari_cerberus.model.library.entries import ModelEntry, entry_of
from napari_cerberus.model.spec import ModelSpec
from napari_cerberus.model.stain_profile import stain_of
from napari_cerberus.pairs.split import Split, write_split
from napari_cerberus.tasks import GLANDS, instances
from training.evaluation import trees


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


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library with two models beside a shipped starter."""
    folder = open_shelf(tmp_path, monkeypatch)
    for name in ("first", "second"):
        put(folder, name)
    return folder


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["models", *arguments]) == 0
    return capsys.readouterr().out


def test_promoting_and_rolling_back(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "notes", "first", "for scanner B")
    assert said(capsys, "promote", "first") == "first is used from now on.\n"
    lines = said(capsys, "list").splitlines()
    assert [line.endswith("\tpromoted") for line in lines] == [False, True, False]
    assert said(capsys, "rollback") == "starter is used again.\n"
    assert [line.split("\t")[1:3] for line in said(capsys, "history").splitlines()] == [
        ["promote", "first"],
        ["roll back", "starter"],
    ]
    assert said(capsys, "notes", "first") == "for scanner B\n"


def test_renaming_comparing_and_deleting(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "rename", "first", "third")
    rows = [line.split("\t") for line in said(capsys, "compare", "second", "third").splitlines()]
    assert ["*", "Name", "second", "third"] in rows
    assert [" ", "Pixel size", "0.5 µm", "0.5 µm"] in rows
    said(capsys, "delete", "third")
    assert main(["models", "delete", "starter"]) == 1
    assert "came with the program" in capsys.readouterr().err
    assert [line.split("\t")[0] for line in said(capsys, "list").splitlines()] == ["starter", "second"]


def test_a_promoted_model_that_vanished_is_said(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "promote", "first")
    shutil.rmtree(shelf / "first")
    assert main(["models", "list"]) == 0
    assert "'starter' is used instead" in capsys.readouterr().err


def test_there_and_back_in_one_file(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checkpoint, "load_model", lambda folder: None)
    said(capsys, "export", "first", str(tmp_path / "x.zip"))
    assert said(capsys, "import", str(tmp_path / "x.zip")) == "first_2 was added.\n"


def test_an_older_model_gets_its_stain_from_its_config(
    shelf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = trees.ebhi_tree(tmp_path / "tiles", {"Polyp": ["1", "2", "3", "4"]})
    ids = [f"new/Polyp/GT{patient}-1-400-001" for patient in "1234"]
    counts = {"train": {"Polyp": 3}, "validation": {"Polyp": 1}, "test": {}}
    split = Split(seed=0, unit="patient", train=tuple(ids[:3]), validation=(ids[3],), test=(), counts=counts)
    write_split(tmp_path / "split.json", split)
    config = tmp_path / "config.toml"
    config.write_text(
        f'name = "x"\nseed = 0\ntasks = ["glands"]\npixel_size_um = 1.0\nsteps = 1\nsplit_file = "split.json"\n'
        f'[[source]]\nname = "new"\nkind = "ebhi"\npath = "{tree}"\npixel_size_um = 1.3\ntasks = ["glands"]\n'
        '[[batch]]\ntasks = ["glands"]\n'
    )
    assert stain_of(entry_of("first").spec) is None
    assert said(capsys, "profile", "first", "--config", str(config)) == "new: 3 tiles of 3 patients\n"
    assert stain_of(entry_of("first").spec) is not None
    assert entry_of("first").verify()
    put(shelf, "other", split_sha256="0" * 64)
    assert main(["models", "profile", "other", "--config", str(config)]) == 1
    assert "another split" in capsys.readouterr().err
