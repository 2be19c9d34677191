"""Instance folders and class-per-folder tile sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_cerberus.errors import DataError
from napari_cerberus.pairs.layout.instances import index_class_folders, index_instances
from napari_cerberus.pairs.layout.tile_pixels import read_labels


def image(path: Path, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (8, 8)).save(path)


def test_instances_take_their_patients_from_the_index(tmp_path: Path) -> None:
    folder = tmp_path / "tnbc"
    for name in ("01_1", "01_2", "02_1"):
        image(folder / "images" / f"{name}.png")
        image(folder / "labels" / f"{name}.png", "I;16")
    (folder / "index.csv").write_text("id,patient,stain\n01_1,01,h\n01_2,01,h\n")
    records, problems = index_instances(folder)
    assert problems == []
    assert [(one.id, one.patient, one.patient_known, one.stratum) for one in records] == [
        ("01_1", "01", True, "tnbc"),
        ("01_2", "01", True, "tnbc"),
        ("02_1", "02_1", False, "tnbc"),
    ]


def test_instances_without_partners_are_problems(tmp_path: Path) -> None:
    image(tmp_path / "images" / "a.png")
    image(tmp_path / "labels" / "b.tif", "I;16")
    records, problems = index_instances(tmp_path)
    assert records == []
    assert {problem.kind for problem in problems} == {"no-label", "no-image"}


def test_class_folders_give_the_class_as_stratum(tmp_path: Path) -> None:
    image(tmp_path / "ADI" / "one.tif")
    image(tmp_path / "TUM" / "two.jpg")
    (tmp_path / "notes").mkdir()
    records, problems = index_class_folders(tmp_path)
    assert problems == []
    assert [(one.id, one.stratum, one.patient) for one in records] == [
        ("ADI/one", "ADI", "ADI/one"),
        ("TUM/two", "TUM", "TUM/two"),
    ]


@pytest.mark.parametrize("content", ["name,patient\na,b\n", b"\xff\xfe\x00bad"])
def test_a_broken_index_is_refused(tmp_path: Path, content: str | bytes) -> None:
    image(tmp_path / "ADI" / "one.tif")
    (tmp_path / "index.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataError, match=r"index\.csv"):
        index_class_folders(tmp_path)


def test_wrong_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="images"):
        index_instances(tmp_path)
    with pytest.raises(DataError, match="no tile set"):
        index_class_folders(tmp_path)
    with pytest.raises(DataError, match="not a folder"):
        index_class_folders(tmp_path / "no")


def test_real_nuclei_have_patients_and_sixteen_bit_labels(data_dir: Path) -> None:
    records, problems = index_instances(data_dir / "tnbc-nuclei")
    assert problems == []
    assert len(records) == 50
    assert len({record.patient for record in records}) == 11
    labels = read_labels(records[0].label_path)
    assert labels.shape == (512, 512)
    assert len(np.unique(labels)) - 1 == 69
