"""Outlines from QuPath become label layers over the open image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel

from fake_jobs import he_like
from napari_cerberus.errors import DataError, ImageError
from napari_cerberus.viewer import outlines_reader
from napari_cerberus.viewer.outlines_reader import get_reader, read_outlines


def feature(name: str, corners: list[list[float]]) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [[*corners, corners[0]]]},
        "properties": {"objectType": "annotation", "classification": {"name": name, "color": [1, 2, 3]}},
    }


def square(y: float, x: float, side: float) -> list[list[float]]:
    return [[x, y], [x + side, y], [x + side, y + side], [x, y + side]]


@pytest.fixture
def viewer(monkeypatch: pytest.MonkeyPatch) -> ViewerModel:
    viewer = ViewerModel()
    monkeypatch.setattr(outlines_reader, "current_viewer", lambda: viewer)
    return viewer


def write(path: Path, *features: dict[str, Any]) -> str:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return str(path)


def test_each_kind_becomes_a_layer_over_the_image(viewer: ViewerModel, tmp_path: Path) -> None:
    image = viewer.add_image(he_like(40, 56), rgb=True, name="tile", scale=(0.5, 0.5), translate=(3, 4))
    path = write(tmp_path / "a.geojson", feature("Gland", square(2, 10, 20)), feature("Nucleus", square(5, 12, 3)))
    read = get_reader(path)
    assert read is not None
    layers = {meta["name"]: (data, meta, kind) for data, meta, kind in read(path)}
    assert set(layers) == {"tile glands", "tile nuclei"}
    data, meta, kind = layers["tile glands"]
    assert kind == "labels"
    expected = np.zeros((40, 56), bool)
    expected[2:22, 10:30] = True
    np.testing.assert_array_equal(data > 0, expected)
    np.testing.assert_array_equal(meta["translate"], image.translate)


def test_several_files_and_no_image_are_refused(viewer: ViewerModel, tmp_path: Path) -> None:
    assert get_reader(["a.geojson", "b.geojson"]) is None
    path = write(tmp_path / "a.geojson", feature("Gland", square(2, 10, 20)))
    with pytest.raises(ImageError, match="Open the image first"):
        read_outlines(path)
    viewer.add_image(np.zeros((40, 56)), name="grey")
    with pytest.raises(ImageError, match="grey image"):
        read_outlines(path)


def test_outlines_of_another_image_are_said_so(viewer: ViewerModel, tmp_path: Path) -> None:
    viewer.add_image(he_like(40, 56), rgb=True, name="tile")
    with pytest.raises(DataError, match="no outline on “tile”"):
        read_outlines(write(tmp_path / "a.geojson"))
