"""A folder of classes as a training: split by slide where names hold one, crops that fit, errors that name the file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_cerberus.errors import DataError, SettingsError
from napari_cerberus.model.spec import ModelSpec
from napari_cerberus.pairs.split import read_split
from napari_cerberus.tasks import TaskSpec
from napari_cerberus.training.class_folders import ClassFolderSettings, plan_classes
from napari_cerberus.training.config_file import read_config

CLASSES = ("STROMA", "TUMOUR")
BASE = ModelSpec(name="base", tasks=(TaskSpec(key="tissue", kind="tissue", classes=("a", "b")),), pixel_size_um=1.0)
SETTINGS = ClassFolderSettings(pixel_size_um=0.5, slide="HE-[0-9]+")


def folder_of(root: Path, side: int = 150) -> Path:
    for name in CLASSES:
        (root / name).mkdir(parents=True)
        for slide in range(10):
            for tile in range(2):
                pixels = np.full((side, side, 3), 10 * slide + tile, np.uint8)
                Image.fromarray(pixels).save(root / name / f"{name}_HE-{slide:02}_{tile}.png")
    return root


def test_no_slide_stands_on_two_sides(tmp_path: Path) -> None:
    plan = plan_classes(folder_of(tmp_path / "tiles"), tmp_path / "out", BASE, "starter", SETTINGS)
    sides = [{name.split("HE-")[1][:2] for name in ids} for ids in read_split(plan.split_path).sides.values()]
    assert all(sides)
    assert sum(map(len, sides)) == len(set().union(*sides)) == 10
    assert plan.groups_known
    assert plan.classes == CLASSES


def test_the_config_can_be_read_and_its_crops_fit(tmp_path: Path) -> None:
    plan = plan_classes(folder_of(tmp_path / "tiles"), tmp_path / "out", BASE, "starter", SETTINGS)
    config = read_config(plan.config_path)
    assert config.batches[0].crop_px == 64  # 150 px of 0.5 µm are 75 px of 1 µm
    assert config.tasks[0].classes == CLASSES
    assert config.start == "starter"


def test_without_a_pattern_the_slides_are_not_known(tmp_path: Path) -> None:
    settings = replace(SETTINGS, slide="")
    assert not plan_classes(folder_of(tmp_path / "tiles"), tmp_path / "out", BASE, "starter", settings).groups_known


@pytest.mark.parametrize(
    ("settings", "error", "sentence"),
    [
        (replace(SETTINGS, slide="HE-["), SettingsError, "no regular expression"),
        (replace(SETTINGS, slide="HF-[0-9]+"), DataError, "matches nothing in"),
        (replace(SETTINGS, pixel_size_um=0.01), DataError, "too little for this model"),
        (replace(SETTINGS, pixel_size_um=0.0), SettingsError, "above 0"),
    ],
)
def test_what_cannot_be_learned_is_said(
    tmp_path: Path, settings: ClassFolderSettings, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        plan_classes(folder_of(tmp_path / "tiles"), tmp_path / "out", BASE, "starter", settings)


def test_one_class_is_no_folder_of_classes(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "tiles")
    (root / "TUMOUR").rename(tmp_path / "away")
    with pytest.raises(DataError, match="two classes"):
        plan_classes(root, tmp_path / "out", BASE, "starter", SETTINGS)
