"""Views of one field are recognised, whatever was done to them; other tissue is not."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.transform import rotate

from napari_cerberus.finetune.patient_split import divide
from napari_cerberus.model.spec import ModelSpec
from napari_cerberus.pairs.check.image_print import image_print
from napari_cerberus.pairs.check.same_field import FieldPrint, field_print, views_of_one_field
from napari_cerberus.pairs.check.tile_reading import Look
from napari_cerberus.pairs.layout.ebhi import index_tree
from napari_cerberus.pairs.layout.tile_pixels import read_rgb
from napari_cerberus.samples import HE_FIELD
from napari_cerberus.training.data.tile_sources import Tile


@pytest.fixture(scope="module")
def field() -> np.ndarray:
    return read_rgb(HE_FIELD.image_path)


def views(field: np.ndarray, side: int = 256, step: int = 30) -> list[np.ndarray]:
    """25 overlapping views."""
    return [field[y : y + side, x : x + side] for y in range(0, 5 * step, step) for x in range(0, 5 * step, step)]


def prints(images: list[np.ndarray]) -> list[FieldPrint]:
    return [field_print(np.ascontiguousarray(image)) for image in images]


CHANGES = {
    "shifted": lambda view, i: view,
    "mirrored": lambda view, i: view[:, ::-1] if i % 2 else view,
    "turned a quarter": lambda view, i: np.rot90(view, i % 4),
    "turned": lambda view, i: np.rint(255 * rotate(view, 13 * i, mode="reflect")).astype(np.uint8),
    "cropped": lambda view, i: view[i : 250 - i, 2 * i :],
    "noisy and paler": lambda view, i: np.clip(
        0.8 * view + 45 + np.random.default_rng(i).normal(0, 5, view.shape), 0, 255
    ).astype(np.uint8),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_views_of_one_field_are_one(field, change):
    found = list(views_of_one_field(prints([change(view, i) for i, view in enumerate(views(field))])))
    assert len(found) == 24  # enough to connect 25 views, and none twice
    assert len({place for pair in found for place in pair}) == 25


def test_parts_of_a_slide_that_do_not_overlap_are_not_one(field):
    apart = [field[y : y + 240, x : x + 240] for y in range(0, 761, 250) for x in range(0, 761, 250)]
    assert list(views_of_one_field(prints(apart))) == []


def test_glass_and_small_tiles_have_no_corners(field):
    found = prints([np.full((256, 256, 3), 240, np.uint8), field[:40, :40]])
    assert [len(one.corners) for one in found] == [0, 0]
    assert list(views_of_one_field([*found, *found])) == []
    assert list(views_of_one_field([])) == []


def test_25_views_whose_patient_is_not_known_are_one_patient(field, tmp_path):
    pictures = views(field)
    tiles = [tile_of(tmp_path, i, picture) for i, picture in enumerate(pictures)]
    looks = {
        tile.id: Look(problems=[], image_print=image_print(picture), field_print=seen)
        for tile, picture, seen in zip(tiles, pictures, prints(pictures), strict=True)
    }
    spec = ModelSpec.__new__(ModelSpec)  # nothing of it is looked at where all pairs are of one patient
    sides = divide(tiles, looks, spec, 0)
    assert sides.stops
    assert sides.stops[0].startswith("All pairs are of one patient")


def tile_of(folder: Path, number: int, image: np.ndarray) -> Tile:
    path = folder / f"{number}.png"
    Image.fromarray(image).save(path)
    return Tile(
        id=f"pairs/{number}",
        patient=f"pairs:unknown-{number}",
        stratum="all",
        tasks=frozenset({"glands"}),
        load=partial(pytest.fail, "no pixels are needed"),
        image_path=path,
    )


def test_real_tiles_of_different_patients_are_not_one(data_dir: Path) -> None:
    """But for the tiles that the set holds twice; every fifth tile, the benchmark looks at all."""
    records = index_tree(data_dir / "ebhi-seg")[0][::5]
    found = views_of_one_field([field_print(read_rgb(record.image_path)) for record in records])
    assert [(i, j) for i, j in found if records[i].patient != records[j].patient] == []
