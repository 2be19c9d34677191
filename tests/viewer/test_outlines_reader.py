"""Outlines from QuPath become label layers over the open image."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from pytestqt.qtbot import QtBot

from fake_jobs import FakeAnnotate, he_like, no_pixel_size, two_models
from napari_cerberus.annotation.object_columns import COLUMNS
from napari_cerberus.annotation.object_table import mark
from napari_cerberus.errors import DataError, ImageError
from napari_cerberus.viewer.controller import Controller
from napari_cerberus.viewer.io import outlines_reader
from napari_cerberus.viewer.io.outlines_reader import get_reader, read_outlines
from napari_cerberus.viewer.io.writers import save_geojson
from napari_cerberus.viewer.layer_provenance import KEY
from napari_cerberus.viewer.layers import ViewerLayers
from napari_cerberus.viewer.preferences import Memory
from napari_cerberus.viewer.session import JobState


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
    monkeypatch.setattr(outlines_reader.Memory, "of_napari", Memory)
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


class Desk:
    """A dock's controller over the viewer, with an annotated image."""

    def __init__(self, qtbot: QtBot, viewer: ViewerModel) -> None:
        self.qtbot, self.viewer = qtbot, viewer
        self.controller = Controller(
            viewer, Memory(), annotate=FakeAnnotate(), list_models=two_models, read_pixel_size=no_pixel_size
        )
        self.session = self.controller.session
        viewer.add_image(he_like(40, 56), rgb=True, name="tile", scale=(0.25, 0.25), units=("um", "um"))

    def annotate(self) -> None:
        self.controller.annotate()
        self.qtbot.waitUntil(lambda: self.session.job.state in (JobState.RETURNED, JobState.FAILED), timeout=10_000)

    def open(self, path: Path) -> None:
        for data, meta, _ in read_outlines(str(path)):
            self.viewer.add_labels(data, **meta)


@pytest.fixture
def desk(qtbot: QtBot, viewer: ViewerModel) -> Iterator[Desk]:
    desk = Desk(qtbot, viewer)
    yield desk
    desk.controller.close()


def test_what_the_review_decided_comes_back_through_a_file(desk: Desk, tmp_path: Path) -> None:
    desk.session.reviewer = "Dr. Müller"
    desk.annotate()
    layer = desk.viewer.layers["tile nuclei"]
    desk.viewer.layers.selection.active = layer
    corrections = desk.controller.correct.corrections
    one = corrections.need_active()
    corrections.apply(one, mark(one.tracked.objects, [1], "accepted", by="Dr. Müller"), "accept")
    corrections.apply(one, mark(one.tracked.objects, [2], "rejected", by="Dr. Müller"), "reject")
    save_geojson(str(tmp_path / "o.geojson"), [layer.as_layer_data_tuple()])
    before = one.tracked.objects
    desk.viewer.layers.remove(layer)

    desk.open(tmp_path / "o.geojson")
    desk.viewer.layers.selection.active = desk.viewer.layers["tile nuclei"]
    back = corrections.need_active().tracked.objects
    pd.testing.assert_frame_equal(back, before)
    assert list(back["state"]) == ["accepted", "rejected"]
    assert set(back["changed_by"]) == {"Dr. Müller"}
    assert list(back.columns) == list(COLUMNS)


def test_opened_outlines_can_be_corrected_and_are_the_users_own(desk: Desk, tmp_path: Path) -> None:
    desk.open(Path(write(tmp_path / "a.geojson", feature("Gland", square(20, 30, 8)))))
    layer = desk.viewer.layers["tile glands"]
    desk.viewer.layers.selection.active = layer
    one = desk.controller.correct.corrections.need_active()
    assert (one.record.pixel_size_um, one.record.model_name, one.has_work) == (0.25, "", True)
    (candidate,) = desk.controller.export.candidates()
    assert (candidate.tasks, candidate.pixel_size_um) == (("glands",), 0.25)
    desk.annotate()
    assert desk.controller.correct.rerun.offer is not None, "a new result never takes the place of what was opened"
    assert int((layer.data > 0).sum()) == 64
    desk.controller.correct.rerun.accept()
    assert int((layer.data[20:28, 30:38] > 0).sum()) == 64, "merging keeps it too"
    assert (layer.data[1:11, 1:11] > 0).all()


def on_a_slide(viewer: ViewerModel, side: int = 100_000) -> Any:
    """A slide that fits into no memory."""
    levels = [da.zeros((side // step, side // step, 3), dtype=np.uint8, chunks=(1000, 1000, 3)) for step in (1, 64)]
    return viewer.add_image(levels, multiscale=True, rgb=True, name="slide", scale=(0.25, 0.25), units=("um", "um"))


def test_on_a_slide_the_layers_cover_the_outlines_only(viewer: ViewerModel, tmp_path: Path) -> None:
    image = on_a_slide(viewer)
    path = write(
        tmp_path / "a.geojson",
        feature("Gland", square(70_000, 50_000, 20)),
        feature("Nucleus", square(70_030, 50_090, 3)),
    )
    layers = {meta["name"]: (data, meta) for data, meta, _ in read_outlines(path)}
    data, meta = layers["slide glands"]
    assert data.shape == (33, 93)
    expected = np.zeros((33, 93), bool)
    expected[:20, :20] = True
    np.testing.assert_array_equal(data > 0, expected)
    np.testing.assert_allclose(meta["translate"], (70_000 * 0.25, 50_000 * 0.25))
    viewer.add_labels(data, **meta)
    saved = tmp_path / "back.geojson"
    save_geojson(str(saved), [viewer.layers["slide glands"].as_layer_data_tuple()])
    ring = json.loads(saved.read_text(encoding="utf-8"))["features"][0]["geometry"]["coordinates"][0]
    assert sorted(map(tuple, ring[:4])) == sorted(map(tuple, square(70_000, 50_000, 20)))
    assert image.multiscale


def test_outlines_all_over_a_slide_come_in_the_drawn_rectangle(
    viewer: ViewerModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentences: list[str] = []
    monkeypatch.setattr(outlines_reader, "show_warning", sentences.append)
    image = on_a_slide(viewer)
    far = [feature("Gland", square(y, x, 20)) for y, x in ((100, 100), (50_000, 60_000), (99_000, 99_000))]
    path = write(tmp_path / "a.geojson", *far)
    with pytest.raises(DataError, match="zoom in on a part, or draw a rectangle"):
        read_outlines(path)
    layers = ViewerLayers(viewer)
    layers.draw_rectangle(image)
    layers.put_rectangle(image, np.array([[49_990, 59_990], [50_089, 60_089]], float))
    viewer.layers.selection.active = image
    ((data, meta, _),) = read_outlines(path)
    assert data.shape == (100, 100)
    assert np.count_nonzero(data) == 400
    assert meta["metadata"][KEY]["region"] == (49_990, 59_990, 50_090, 60_090)
    assert sentences[0].endswith("those in the drawn area were opened.")
    layers.draw_rectangle(image)
    layers.put_rectangle(image, np.array([[1000, 1000], [1100, 1100]], float))
    viewer.layers.selection.active = image
    with pytest.raises(DataError, match="no outline on this part"):
        read_outlines(path)
