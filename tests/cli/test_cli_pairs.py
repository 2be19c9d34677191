"""``napari-cerberus pairs``: problems with their files and advice, and a split that the trainer takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fake_jobs import he_like
from napari_cerberus.cli.main import main
from napari_cerberus.pairs.layout.ebhi import index_tree
from napari_cerberus.pairs.split import apply_split, read_split


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Six patients, two categories, all pictures different."""
    for patient in range(1, 7):
        for category in ("Normal", "Polyp"):
            write_pair(tmp_path / "ds", category, f"AB{patient}-1-400-001", seed=patient + 10 * (category == "Polyp"))
    return tmp_path / "ds"


def write_pair(root: Path, category: str, name: str, seed: int) -> None:
    mask = np.zeros((32, 32), np.uint8)
    mask[4:20, 4:20] = 255
    for part, picture in (("image", he_like(32, 32, seed)), ("label", mask)):
        folder = root / category / part
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / f"{name}.png")


def test_a_sound_folder(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pairs", "check", str(tree)]) == 0
    said = capsys.readouterr().out
    assert "12 usable tiles of 6 patients in 2 categories" in said
    assert "Normal: 6" in said


def test_a_missing_partner_is_named_with_what_to_do(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "Normal" / "label" / "AB1-1-400-001.png").unlink()
    main(["pairs", "check", str(tree)])
    line = next(line for line in capsys.readouterr().out.splitlines() if "AB1-1-400-001" in line)
    assert line.startswith("skipped: ")


def test_a_split_by_patient_for_train(tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "split.json"
    arguments = ["pairs", "split", str(tree), "--out", str(out), "--fractions", "0.5", "0.25", "0.25"]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "No patient and no picture of the same tissue stands on two sides." in said
    assert said.splitlines()[0].split() == ["train", "validation", "test"]
    parts = apply_split(read_split(out), index_tree(tree)[0])
    patients = [{record.patient for record in side} for side in parts.sides.values()]
    assert all(patients)
    assert not set.intersection(*patients)
    assert sum(len(side) for side in parts.sides.values()) == 12
    assert main(["pairs", "check", str(tree), "--split", str(out)]) == 0
    capsys.readouterr()
    assert main(arguments) == 1
    assert "--overwrite" in capsys.readouterr().err


def test_a_leak_is_told_and_fails(tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for patient in range(1, 7):
        write_pair(tree, "Polyp", f"AB{patient}-1-400-002", seed=77)
    assert main(["pairs", "split", str(tree), "--out", str(tmp_path / "split.json")]) == 1
    assert "LEAK: Polyp/AB" in capsys.readouterr().out


@pytest.mark.parametrize("make", [lambda root: None, lambda root: root.mkdir()], ids=["missing", "empty"])
def test_no_data_set(make: Callable[[Path], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path / "ds")
    assert main(["pairs", "check", str(tmp_path / "ds")]) == 1
    assert str(tmp_path / "ds") in capsys.readouterr().err
