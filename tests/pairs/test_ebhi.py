"""Indexing EBHI-style trees: pairs, partners that are missing, names without a patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_cerberus.errors import DataError
from napari_cerberus.pairs.layout.ebhi import index_tree, parse_name
from napari_cerberus.pairs.layout.tile_pixels import read_mask, read_rgb


def write_pair(root: Path, category: str, name: str, *, image: bool = True, label: bool = True) -> None:
    for part, wanted, mode in (("image", image, "RGB"), ("label", label, "L")):
        folder = root / category / part
        folder.mkdir(parents=True, exist_ok=True)
        if wanted:
            Image.new(mode, (8, 8), 200).save(folder / f"{name}.png")


def test_pairs_are_listed_with_the_parts_of_their_names(tmp_path: Path) -> None:
    write_pair(tmp_path, "Low-grade IN", "GTXC2015362-9-400-003")
    write_pair(tmp_path, "Normal", "gtxc2015362-1-400-012")
    records, problems = index_tree(tmp_path)
    assert problems == []
    assert [record.id for record in records] == [
        "Low-grade IN/GTXC2015362-9-400-003",
        "Normal/gtxc2015362-1-400-012",
    ]
    first, second = records
    assert (first.patient, first.block, first.magnification, first.number) == ("2015362", 9, 400, 3)
    assert first.patient == second.patient, "the patient is the digits, whatever the letters' case"
    assert first.stratum == "Low-grade IN"
    assert first.image_path == tmp_path / "Low-grade IN" / "image" / "GTXC2015362-9-400-003.png"


def test_missing_partners_and_odd_names_are_problems_not_failures(tmp_path: Path) -> None:
    write_pair(tmp_path, "Polyp", "GT1-1-400-001")
    write_pair(tmp_path, "Polyp", "GT1-1-400-002", label=False)
    write_pair(tmp_path, "Polyp", "GT1-1-400-003", image=False)
    write_pair(tmp_path, "Polyp", "holiday")
    records, problems = index_tree(tmp_path)
    assert [record.name for record in records] == ["GT1-1-400-001"]
    assert {(problem.kind, problem.path.stem) for problem in problems} == {
        ("no-label", "GT1-1-400-002"),
        ("no-image", "GT1-1-400-003"),
        ("no-patient", "holiday"),
    }
    assert all(problem.severity == "skipped" for problem in problems)


def test_two_images_of_one_name_use_the_png_and_say_so(tmp_path: Path) -> None:
    write_pair(tmp_path, "Polyp", "GT1-1-400-001")
    Image.new("RGB", (8, 8)).save(tmp_path / "Polyp" / "image" / "GT1-1-400-001.webp", lossless=True)
    records, problems = index_tree(tmp_path)
    assert records[0].image_path.suffix == ".png"
    assert [problem.kind for problem in problems] == ["doubled-name"]


def test_hidden_files_are_passed_over(tmp_path: Path) -> None:
    write_pair(tmp_path, "Polyp", "GT1-1-400-001")
    (tmp_path / "Polyp" / "image" / "._GT1-1-400-001.png").write_bytes(b"resource fork")
    (tmp_path / "Polyp" / "label" / "Thumbs.db").write_bytes(b"thumbs")
    records, problems = index_tree(tmp_path)
    assert len(records) == 1
    assert problems == []


@pytest.mark.parametrize(("make", "words"), [("missing", "not a folder"), ("empty", "no tree"), ("inside", "above")])
def test_wrong_folders_are_refused_with_advice(tmp_path: Path, make: str, words: str) -> None:
    root = tmp_path / "data"
    if make != "missing":
        root.mkdir()
    if make == "inside":
        write_pair(root, "Polyp", "GT1-1-400-001")
        root = root / "Polyp"
    with pytest.raises(DataError, match=words):
        index_tree(root)


@pytest.mark.parametrize(
    "stem", ["GT-1-400-001", "2015362-1-400-001", "GT1-1-400", "GT1-1-400-001-2", "GT1_1_400_1", ""]
)
def test_names_of_another_form_have_no_parts(stem: str) -> None:
    assert parse_name(stem) is None


def test_a_name_survives_parsing() -> None:
    name = parse_name("GTxc0015362-10-400-1003")
    assert name is not None
    assert str(name) == "GTxc0015362-10-400-1003"
    assert name.patient == "0015362"


def test_real_tree_has_the_documented_counts(data_dir: Path) -> None:
    records, problems = index_tree(data_dir / "ebhi-seg")
    assert problems == []
    assert len(records) == 1740
    assert len({record.patient for record in records}) == 254
    record = records[0]
    assert read_rgb(record.image_path).shape == (224, 224, 3)
    mask = read_mask(record.label_path)
    assert mask.dtype == np.bool_
    assert mask.any()
