"""Saved annotations open as image and layers, from the dock and the command line alike; samples at their pixel size."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Layer
from PIL import Image

from fake_jobs import annotation_of, he_like, square_labels
from napari_cerberus.annotation.frame import Frame
from napari_cerberus.annotation.store import load_annotation, save_annotation
from napari_cerberus.errors import DataError
from napari_cerberus.pixel_size import PixelSize, PixelSizeSource
from napari_cerberus.viewer.io import annotation_folder
from napari_cerberus.viewer.io.annotation_folder import get_reader, read_folder, save
from napari_cerberus.viewer.io.sample_data import he_field, synthetic_colon, synthetic_colon_with_truth
from napari_cerberus.viewer.layer_provenance import record_of

SIZE = PixelSize(0.25, 0.5, PixelSizeSource.ASSUMED)
LAYERS = ["tile 7 glands", "tile 7 lumina", "tile 7 nuclei"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As ``annotate`` leaves it: beside its image, pixels wider than high."""
    pixels = he_like(20, 24)
    Image.fromarray(pixels).save(tmp_path / "tile 7.png")
    annotated = annotation_of(
        square_labels(20, 24), SIZE, frame=Frame.of_image(pixels, "tile 7"), image_path=str(tmp_path / "tile 7.png")
    )
    save_annotation(tmp_path / "results" / "tile 7", annotated)
    return tmp_path / "results" / "tile 7"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the reader tells the user."""
    sentences: list[str] = []
    monkeypatch.setattr(annotation_folder, "show_warning", sentences.append)
    return sentences


def opened(path: Path) -> dict[str, Layer]:
    found = get_reader(str(path))
    assert found is not None
    return {layer.name: layer for layer in (Layer.create(*data) for data in found(str(path)))}


@pytest.mark.parametrize("name", ["", "summary.json", "annotation.json"])
def test_image_outlines_and_scale_open_together(folder: Path, name: str, said: list[str]) -> None:
    layers = opened(folder / name)
    assert list(layers) == ["tile 7", *sorted(LAYERS, key=lambda one: ("nuclei", "glands", "lumina").index(one[7:]))]
    np.testing.assert_array_equal(layers["tile 7"].data, he_like(20, 24))
    nuclei = layers["tile 7 nuclei"]
    np.testing.assert_array_equal(nuclei.data, square_labels(20, 24)["nuclei"])
    for layer in layers.values():
        np.testing.assert_allclose(layer.scale, (0.25, 0.5))
        np.testing.assert_allclose(layer.translate, (0, 0), atol=1e-9)
        assert str(layer.units[0]) == "micrometer"
    assert list(nuclei.features["class"]) == ["epithelial", "lymphocyte"]
    record = record_of(nuclei)
    assert record is not None
    assert record.pixel_size == SIZE, "that it was assumed is not lost"
    assert not said


def test_the_dock_saves_what_the_command_line_wrote(folder: Path, tmp_path: Path) -> None:
    layers = [layer.as_layer_data_tuple() for layer in opened(folder).values()]
    save(str(tmp_path / "again"), layers)
    names = {path.name for path in folder.iterdir()}
    assert {path.name for path in (tmp_path / "again.cerberus").iterdir()} == names
    before, after = load_annotation(folder), load_annotation(tmp_path / "again.cerberus")
    for task, labels in before.labels.items():
        np.testing.assert_array_equal(after.labels[task], labels)
    assert (after.pixel_size, after.tissue, after.image_path) == (before.pixel_size, before.tissue, before.image_path)
    assert after.frame == before.frame
    np.testing.assert_array_equal(after.objects["confidence"], before.objects["confidence"])


def test_labels_take_the_place_of_the_open_image_they_belong_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = ViewerModel()
    viewer.add_image(he_like(20, 24, seed=3), rgb=True, name="tile 7", translate=(9, 9))
    image = viewer.add_image(he_like(20, 24), rgb=True, name="renamed", translate=(3, 4))
    viewer.add_image(np.zeros((20, 24)), name="grey")
    monkeypatch.setattr(annotation_folder, "current_viewer", lambda: viewer)
    layers = opened(folder)
    assert sorted(layers) == ["renamed glands", "renamed lumina", "renamed nuclei"]
    np.testing.assert_array_equal(layers["renamed glands"].translate, image.translate)
    assert layers["renamed glands"].units == image.units


def test_an_image_without_a_file_is_kept_in_the_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    (tmp_path / "tile 7.png").unlink()
    viewer = ViewerModel()
    viewer.add_image(he_like(20, 24), rgb=True, name="pasted")
    monkeypatch.setattr(annotation_folder, "current_viewer", lambda: viewer)
    save(str(tmp_path / "kept"), [layer.as_layer_data_tuple() for layer in opened(folder).values()])
    monkeypatch.setattr(annotation_folder, "current_viewer", lambda: None)
    layers = opened(tmp_path / "kept.cerberus")
    np.testing.assert_array_equal(layers["tile 7"].data, he_like(20, 24))
    assert not said


def gone(folder: Path) -> None:
    (folder.parents[1] / "tile 7.png").unlink()


def changed(folder: Path) -> None:
    Image.fromarray(he_like(20, 24, seed=9)).save(folder.parents[1] / "tile 7.png")


@pytest.mark.parametrize(("damage", "says"), [(gone, "was not found; put it beside"), (changed, "has changed since")])
def test_labels_are_shown_without_their_image_and_it_is_said(
    folder: Path, damage: Callable[[Path], None], says: str, said: list[str]
) -> None:
    damage(folder)
    layers = opened(folder)
    assert sorted(layers) == LAYERS
    np.testing.assert_array_equal(layers["tile 7 glands"].scale, (0.25, 0.5))
    (sentence,) = said
    assert says in sentence


def test_other_folders_and_files_are_left_to_others(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "summary.json").write_text("{}")
    for path in (tmp_path, tmp_path / "summary.json", tmp_path / "missing", folder / "glands.tif"):
        assert get_reader(str(path)) is None
    assert get_reader([str(folder), str(folder)]) is None


def about(folder: Path, **fields: Any) -> None:
    path = folder / "annotation.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **fields}), encoding="utf-8")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"format_version": 7}, "says version 7, but this napari-cerberus reads version 2"),
        ({"colour": "red"}, "field 'colour' is not known; remove it"),
        ({"pixel_size": True}, "'pixel_size' must be a mapping"),
    ],
)
def test_a_damaged_description_is_one_sentence(folder: Path, fields: dict[str, Any], says: str) -> None:
    about(folder, **fields)
    with pytest.raises(DataError, match=says) as caught:
        read_folder(str(folder))
    assert str(folder) in str(caught.value)


def truncate_labels(folder: Path) -> None:
    (folder / "glands.tif").write_bytes((folder / "glands.tif").read_bytes()[:40])


def other_size(folder: Path) -> None:
    tifffile.imwrite(folder / "glands.tif", np.zeros((5, 5), np.uint32))


def missing(folder: Path) -> None:
    (folder / "glands.tif").unlink()


@pytest.mark.parametrize("damage", [truncate_labels, other_size, missing])
def test_the_other_tasks_are_shown_and_the_damage_is_said(
    folder: Path, damage: Callable[[Path], None], said: list[str]
) -> None:
    damage(folder)
    assert list(opened(folder)) == ["tile 7", "tile 7 nuclei", "tile 7 lumina"]
    (sentence,) = said
    assert str(folder / "glands.tif") in sentence


@pytest.mark.parametrize("table", [None, "a,b\n1,2\n"])
def test_a_folder_without_its_table_shows_its_objects_unreviewed(
    folder: Path, table: str | None, said: list[str]
) -> None:
    (folder / "objects.csv").unlink()
    if table is not None:
        (folder / "objects.csv").write_text(table)
    assert list(opened(folder)["tile 7 nuclei"].features["state"]) == ["unreviewed", "unreviewed"]
    assert "objects.csv" in said[0]


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
