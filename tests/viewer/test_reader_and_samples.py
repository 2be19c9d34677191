"""Folders written by the command line open as layers; samples open at their pixel size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Layer

from fake_jobs import annotation_of, he_like, square_labels
from napari_cerberus.errors import DataError
from napari_cerberus.inference.result_folder import write_annotation
from napari_cerberus.viewer.io import results_reader
from napari_cerberus.viewer.io.results_reader import get_reader, read_folder
from napari_cerberus.viewer.io.sample_data import he_field, synthetic_colon, synthetic_colon_with_truth


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_annotation(tmp_path / "tile 7", annotation_of(square_labels(20, 24), pixel_size_um=0.25))
    return tmp_path / "tile 7"


def opened(path: Path) -> dict[str, Layer]:
    found = get_reader(str(path))
    assert found is not None
    return {layer.name: layer for layer in (Layer.create(*data) for data in found(str(path)))}


@pytest.mark.parametrize("name", ["", "summary.json"])
def test_a_folder_opens_as_labels_with_features_and_scale(folder: Path, name: str) -> None:
    layers = opened(folder / name)
    assert sorted(layers) == ["tile 7 glands", "tile 7 lumina", "tile 7 nuclei"]
    nuclei = layers["tile 7 nuclei"]
    np.testing.assert_array_equal(nuclei.data, square_labels(20, 24)["nuclei"])
    np.testing.assert_array_equal(nuclei.scale, (0.25, 0.25))
    assert str(nuclei.units[0]) == "micrometer"
    assert list(nuclei.features["class"]) == ["epithelial", "lymphocyte"]


def test_labels_take_the_place_of_the_open_image_they_belong_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = ViewerModel()
    viewer.add_image(he_like(20, 24), rgb=True, name="another", translate=(9, 9))
    image = viewer.add_image(he_like(20, 24), rgb=True, name="tile 7", translate=(3, 4))
    viewer.add_image(np.zeros((20, 24)), name="grey")
    monkeypatch.setattr(results_reader, "current_viewer", lambda: viewer)
    glands = opened(folder)["tile 7 glands"]
    np.testing.assert_array_equal(glands.translate, image.translate)
    assert glands.units == image.units


def test_other_folders_and_files_are_left_to_others(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "summary.json").write_text("{}")
    for path in (tmp_path, tmp_path / "summary.json", tmp_path / "missing", folder / "glands.tif"):
        assert get_reader(str(path)) is None
    assert get_reader([str(folder), str(folder)]) is None


def damage_summary(folder: Path) -> None:
    (folder / "summary.json").write_text("{")


def wrong_type(folder: Path) -> None:
    data = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps({**data, "pixel_size_um": True}))


def truncate_labels(folder: Path) -> None:
    (folder / "glands.tif").write_bytes((folder / "glands.tif").read_bytes()[:40])


def float_labels(folder: Path) -> None:
    tifffile.imwrite(folder / "glands.tif", np.zeros((20, 24), np.float32))


def other_size(folder: Path) -> None:
    tifffile.imwrite(folder / "glands.tif", np.zeros((5, 5), np.uint32))


def damage_table(folder: Path) -> None:
    (folder / "objects.csv").write_text("a,b\n1,2\n")


@pytest.mark.parametrize(
    "damage", [damage_summary, wrong_type, truncate_labels, float_labels, other_size, damage_table]
)
def test_damage_is_one_sentence_that_names_the_place(folder: Path, damage: Any) -> None:
    damage(folder)
    with pytest.raises(DataError) as caught:
        read_folder(str(folder))
    assert str(folder) in str(caught.value)


def test_a_folder_without_a_table_has_no_features(folder: Path) -> None:
    (folder / "objects.csv").unlink()
    assert len(opened(folder)["tile 7 glands"].features) == 0


def test_samples_open_at_their_pixel_size() -> None:
    (synthetic,), (field,) = synthetic_colon(), he_field()
    for (pixels, settings, kind), um, unit in ((synthetic, 0.5, "micrometer"), (field, 0.25, "pixel")):
        layer = Layer.create(pixels, settings, kind)
        assert layer.rgb
        np.testing.assert_array_equal(layer.scale, (um, um))
        assert str(layer.units[0]) == unit, "a scale without a unit is marked as assumed in the dock"


def test_the_truth_comes_with_the_drawn_tile() -> None:
    image, *truth = [Layer.create(*data) for data in synthetic_colon_with_truth()]
    assert [layer.name for layer in truth] == ["true nuclei", "true glands", "true lumina"]
    assert {layer.data.shape for layer in truth} == {image.data.shape[:2]}
    assert all(layer.data.max() > 10 for layer in truth)
