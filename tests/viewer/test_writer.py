"""File ▸ Save: what other programs get, and that they get the right place, classes and sizes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from napari.components import ViewerModel
from npe2 import PluginManager, PluginManifest
from PIL import Image

from fake_jobs import annotation_of, he_like, square_labels
from napari_cerberus.errors import DataError
from napari_cerberus.interop.geojson_reading import read_geojson
from napari_cerberus.pixel_size import PixelSize
from napari_cerberus.progress import run_to_end
from napari_cerberus.viewer.io import writers
from napari_cerberus.viewer.layer_provenance import LayerRecord
from napari_cerberus.viewer.layers import ViewerLayers
from napari_cerberus.viewer.session import Display

MANIFEST = Path(writers.__file__).parents[2] / "napari.yaml"
RECORD = LayerRecord(
    task="",
    image_fingerprint="ab" * 32,
    image_name="tile",
    image_path="",
    region=(0, 0, 40, 56),
    factors=(1.0, 1.0),
    pixel_size=PixelSize.square(0.5),
    model_name="starter",
    model_sha256="ab" * 32,
    device="cpu",
    precision="bf16",
    sensitivity=0.0,
    made_at="2026-01-01T00:00:00+00:00",
)


def layers_of(record: LayerRecord = RECORD, image: Any = None) -> list[Any]:
    """An image and the result layers over it, as napari hands them to a writer."""
    viewer = ViewerModel()
    viewer.add_image(he_like(40, 56) if image is None else image, rgb=True, name=record.image_name)
    place = {"scale": (0.5, 0.5), "units": ("um", "um")}
    annotation = annotation_of(square_labels(40, 56))
    ViewerLayers(viewer).add_annotation(annotation, record.image_name, place, record, Display())
    return [layer.as_layer_data_tuple() for layer in viewer.layers]


def test_outlines_for_qupath_lie_in_the_full_image(tmp_path: Path) -> None:
    part = replace(RECORD, region=(10, 20, 50, 76), factors=(2.0, 2.0))
    path = str(tmp_path / "tile.geojson")
    assert writers.save_geojson(path, layers_of(part)) == [path]
    features = json.loads(Path(path).read_text(encoding="utf-8"))["features"]
    assert len(features) == 4
    gland = next(one for one in features if one["properties"]["metadata"]["task"] == "glands")
    corners = np.array(gland["geometry"]["coordinates"][0])
    np.testing.assert_array_equal(corners.min(axis=0), [42, 22], "x = 2 (20 + 1), y = 2 (10 + 1)")
    np.testing.assert_array_equal(corners.max(axis=0), [62, 42])
    nuclei = [one["properties"] for one in features if one["properties"]["metadata"]["task"] == "nuclei"]
    assert [one["classification"]["name"] for one in nuclei] == ["epithelial", "lymphocyte"]


def test_outlines_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "tile.geojson"
    writers.save_geojson(str(path), layers_of())
    back = run_to_end(read_geojson(path, (40, 56)))
    for task, labels in square_labels(40, 56).items():
        np.testing.assert_array_equal(back.labels[task] > 0, labels > 0)


def test_coco_holds_several_images(tmp_path: Path) -> None:
    other = replace(RECORD, image_name="other")
    path = tmp_path / "both.json"
    writers.save_coco(str(path), [*layers_of(), *layers_of(other)])
    content = json.loads(path.read_text(encoding="utf-8"))
    assert [image["file_name"] for image in content["images"]] == ["tile", "other"]
    assert len(content["annotations"]) == 8


def test_labels_keep_their_pixel_size(tmp_path: Path) -> None:
    path = tmp_path / "tile.ome.tif"
    writers.save_label_tiff(str(path), [layer for layer in layers_of() if layer[2] == "labels"])
    with tifffile.TiffFile(path) as file:
        assert 'PhysicalSizeX="0.5"' in (file.ome_metadata or "")
        np.testing.assert_array_equal(file.asarray()[0], square_labels(40, 56)["glands"])


def test_the_users_own_labels_are_saved_by_their_name(tmp_path: Path) -> None:
    viewer = ViewerModel()
    viewer.add_labels(square_labels(40, 56)["nuclei"], name="my tile nuclei", scale=(250, 250), units=("nm", "nm"))
    (one,) = writers.annotated([layer.as_layer_data_tuple() for layer in viewer.layers])
    assert (one.name, list(one.labels), one.pixel_size_um) == ("my tile", ["nuclei"], pytest.approx(0.25))
    assert list(one.objects_of("nuclei")["index"]) == [1, 2]
    assert set(one.objects["state"]) == {"unreviewed"}


def test_the_table_names_the_task_and_the_review(tmp_path: Path) -> None:
    layers = layers_of()
    for _, meta, kind in layers:
        if kind == "labels":
            meta["features"]["state"] = "accepted"
    path = tmp_path / "tile.csv"
    writers.save_table(str(path), layers)
    table = pd.read_csv(path)
    assert sorted(table["task"]) == ["glands", "lumina", "nuclei", "nuclei"]
    assert set(table["state"]) == {"accepted"}


def test_a_figure_with_its_legend(tmp_path: Path) -> None:
    path = tmp_path / "tile.png"
    writers.save_figure(str(path), layers_of())
    with Image.open(path) as picture:
        width, height = picture.size
    assert width >= 480
    assert height > width * 40 / 56, "legend and scale bar stand below the image"


@pytest.mark.parametrize(
    ("layers", "save", "says"),
    [
        (lambda: layers_of()[:1], writers.save_geojson, "No label layer is selected"),
        (lambda: [*layers_of(), *layers_of()], writers.save_geojson, "Two layers of glands"),
        (
            lambda: [*layers_of(), *layers_of(replace(RECORD, image_name="b"))],
            writers.save_table,
            "save them one by one",
        ),
        (lambda: [(np.zeros((4, 4), int), {"name": "x glands"}, "labels")], writers.save_table, "hold no object"),
        (lambda: [(np.zeros((4, 4), int), {"name": "x glands"}, "labels")], writers.save_label_tiff, "is not known"),
        (lambda: [(np.zeros((2, 4, 4), int), {"name": "x"}, "labels")], writers.save_geojson, "two-dimensional"),
    ],
)
def test_what_cannot_be_saved_is_one_sentence(tmp_path: Path, layers: Any, save: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        save(str(tmp_path / "out.json"), layers())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "kinds", "command"),
    [
        ("a.geojson", ["image", "labels", "labels", "labels"], "save_geojson"),
        ("a.json", ["labels"], "save_coco"),
        ("a.ome.tif", ["labels", "labels"], "save_label_tiff"),
        ("a.csv", ["labels", "image", "shapes"], "save_table"),
        ("a.pdf", ["image", "labels", "vectors"], "save_figure"),
    ],
)
def test_napari_finds_the_writer(name: str, kinds: list[str], command: str) -> None:
    manager = PluginManager()
    manager.register(PluginManifest.from_file(MANIFEST))
    found, path = manager.get_writer(name, kinds, "napari-cerberus")
    assert found is not None
    assert (found.command, path) == (f"napari-cerberus.{command}", name)
