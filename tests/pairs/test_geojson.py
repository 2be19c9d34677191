"""GeoJSON for QuPath: documented structure out, anything sensible in, the same objects after a round trip."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from napari_cerberus.errors import CerberusError, DataError, OutputError, SettingsError
from napari_cerberus.interop.geojson import GeoJsonSettings, write_geojson
from napari_cerberus.interop.geojson_reading import ImportSettings, read_geojson
from napari_cerberus.interop.imported_objects import ImportedObjects
from napari_cerberus.progress import run_to_end
from pairs.make_labels import label_maps, same_objects, table_of
from pairs.make_source import make_source


def written(path: Path, labels: dict[str, np.ndarray], objects: pd.DataFrame | None = None, **settings: Any) -> Any:
    table = pd.DataFrame() if objects is None else objects
    run_to_end(write_geojson(path, labels, table, GeoJsonSettings(**settings)))
    return json.loads(path.read_text(encoding="utf-8"))


def read(path: Path, shape: tuple[int, int] = (20, 20), **settings: Any) -> ImportedObjects:
    return run_to_end(read_geojson(path, shape, ImportSettings(**settings)))


@settings(max_examples=30)
@given(label_maps)
def test_objects_come_back_pixel_for_pixel(tmp_path: Path, labels: np.ndarray) -> None:
    path = tmp_path / "objects.geojson"
    written(path, {"glands": labels, "nuclei": labels[::-1]})
    back = read(path, labels.shape)
    for task, plane in (("glands", labels), ("nuclei", labels[::-1])):
        assert same_objects(back.labels.get(task, np.zeros_like(plane)), plane)
    assert back.notes == ()


def test_the_structure_is_the_one_qupath_documents(tmp_path: Path) -> None:
    labels = np.zeros((20, 30), np.int32)
    labels[2:8, 3:11] = 4
    labels[4:6, 5:7] = 0
    table = pd.DataFrame(
        [
            {
                "task": "nuclei",
                "index": 4,
                "class": "lymphocyte",
                "confidence": 0.25,
                "area_um2": 11.0,
                "review": "accepted",
            }
        ]
    )
    collection = written(tmp_path / "o.geojson", {"nuclei": labels}, table)
    assert collection.keys() == {"type", "features"}
    assert collection["type"] == "FeatureCollection"
    (feature,) = collection["features"]
    assert feature["type"] == "Feature"
    assert uuid.UUID(feature["id"])
    outer, hole = feature["geometry"]["coordinates"]
    assert feature["geometry"]["type"] == "Polygon"
    assert outer[0] == outer[-1]
    assert sorted(map(tuple, outer[:-1])) == [(3, 2), (3, 8), (11, 2), (11, 8)]
    assert sorted(map(tuple, hole[:-1])) == [(5, 4), (5, 6), (7, 4), (7, 6)]
    properties = feature["properties"]
    assert properties["objectType"] == "detection"
    assert properties["classification"] == {"name": "lymphocyte", "color": [0x3F, 0x6F, 0xD8]}
    assert properties["measurements"] == {"Confidence": 0.25, "Area µm^2": 11.0}
    assert properties["metadata"] == {
        "task": "nuclei",
        "id": "4",
        "class": "lymphocyte",
        "review": "accepted",
    }


def test_glands_are_annotations_and_pieces_are_a_multipolygon(tmp_path: Path) -> None:
    labels = np.zeros((9, 9), np.int32)
    labels[1:3, 1:3] = labels[6:8, 6:8] = 1
    (feature,) = written(tmp_path / "o.geojson", {"glands": labels})["features"]
    assert feature["properties"]["objectType"] == "annotation"
    assert feature["properties"]["classification"]["name"] == "Gland"
    assert feature["geometry"]["type"] == "MultiPolygon"
    assert len(feature["geometry"]["coordinates"]) == 2


def test_a_part_of_an_image_lies_at_its_place_in_the_whole(tmp_path: Path) -> None:
    labels = np.zeros((20, 20), np.int32)
    labels[1:4, 2:5] = 1
    part = {"offset_px": (100.0, 200.0), "downsample": 4.0}
    (feature,) = written(tmp_path / "o.geojson", {"glands": labels}, **part)["features"]
    assert feature["geometry"]["coordinates"][0][0] == [208, 104]
    np.testing.assert_array_equal(read(tmp_path / "o.geojson", **part).labels["glands"], labels)


def test_the_table_comes_back(tmp_path: Path) -> None:
    source = make_source()
    run_to_end(write_geojson(tmp_path / "o.geojson", source.annotated.labels, source.annotated.objects))
    back = read(tmp_path / "o.geojson", (64, 64))
    table = source.annotated.objects
    for task, columns in (
        ("glands", ["class", "confidence", "state"]),
        ("nuclei", ["class", "class_probability"]),
    ):
        mine, theirs = back.objects[back.objects.task == task], table[table.task == task]
        pd.testing.assert_frame_equal(
            mine[columns].reset_index(drop=True), theirs[columns].reset_index(drop=True), check_dtype=False
        )
        assert mine["index"].tolist() == list(range(1, len(theirs) + 1))


def test_ids_are_the_same_every_time(tmp_path: Path) -> None:
    labels = {"glands": np.ones((3, 3), np.int32)}
    first = written(tmp_path / "a.geojson", labels, image_key="abc")
    assert first == written(tmp_path / "b.geojson", labels, image_key="abc")
    assert first["features"][0]["id"] != written(tmp_path / "c.geojson", labels)["features"][0]["id"]


def polygon(*points: tuple[float, float]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [[*points, points[0]]]}


SQUARE = polygon((2, 2), (8, 2), (8, 8), (2, 8))


def feature(geometry: Any = SQUARE, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def save(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "qupath.geojson"


@pytest.mark.parametrize("wrap", [lambda f: {"type": "FeatureCollection", "features": [f]}, lambda f: [f], lambda f: f])
def test_collections_lists_and_single_features_are_read(path: Path, wrap: Any) -> None:
    save(path, wrap(feature(objectType="annotation")))
    assert read(path).labels["glands"].sum() == 36


@pytest.mark.parametrize(
    ("properties", "task", "class_name"),
    [
        ({"classification": {"name": "Tumor", "color": [200, 0, 0]}}, "glands", "Tumor"),
        ({"classification": {"name": "Gland", "colorRGB": -1}}, "glands", ""),
        ({"classification": {"names": ["Tumor", "Positive"]}}, "glands", "Tumor: Positive"),
        ({"classification": {"name": "lymphocyte"}}, "nuclei", "lymphocyte"),
        ({"classification": {"name": "Lumen"}}, "lumina", ""),
        ({"classification": {"name": "Nucleus"}}, "nuclei", ""),
        ({"classification": "crypt"}, "glands", "crypt"),
        ({"objectType": "detection"}, "nuclei", ""),
        ({"objectType": "annotation"}, "glands", ""),
        ({"classification": None}, "glands", ""),
        ({"classification": 7, "measurements": 3, "metadata": []}, "glands", ""),
    ],
)
def test_classifications_say_which_task(path: Path, properties: dict[str, Any], task: str, class_name: str) -> None:
    save(path, [feature(**properties)])
    objects = read(path).objects
    assert (objects.task[0], objects["class"][0]) == (task, class_name)


def test_the_user_may_say_which_task(path: Path) -> None:
    save(path, [feature(classification={"name": "Tumor"}), feature(classification={"name": "Other"})])
    back = read(path, tasks={"tumor": "lumina"}, default_task="")
    assert list(back.labels) == ["lumina"]
    assert "1 object(s) of a class that stands for no task" in back.notes[0]


def test_older_measurements_and_cells_with_nuclei_are_understood(path: Path) -> None:
    cell = feature(objectType="cell", measurements=[{"name": "Confidence", "value": 0.5}])
    cell["nucleusGeometry"] = polygon((4, 4), (6, 4), (6, 6), (4, 6))
    save(path, [cell])
    back = read(path)
    assert back.labels["nuclei"].sum() == 4
    assert back.objects.confidence[0] == 0.5


def test_nested_objects_lie_on_top_whatever_their_order(path: Path) -> None:
    small = polygon((4, 4), (6, 4), (6, 6), (4, 6))
    for features in ([feature(), feature(small)], [feature(small), feature()]):
        back = read(save(path, features))
        assert sorted(np.bincount(back.labels["glands"].ravel())[1:].tolist()) == [4, 32]
        assert "overlap" in back.notes[0]


def test_children_are_read_with_their_parents(path: Path) -> None:
    save(path, [feature(childObjects=[feature(polygon((10, 10), (12, 10), (12, 12), (10, 12)))])])
    assert len(read(path).objects) == 2


def test_what_has_no_area_is_left_out_and_said(path: Path) -> None:
    save(
        path,
        [
            feature({"type": "Point", "coordinates": [3, 3]}),
            feature(None),
            feature(polygon((3, 3), (3, 3), (3, 3))),
            feature(polygon((3, 3), (5, 5))),
            feature({"type": "Polygon", "coordinates": [[]]}),
            feature({"type": "Polygon", "coordinates": []}),
            feature({"type": "MultiPolygon", "coordinates": []}),
            feature(polygon((100, 100), (110, 100), (110, 110))),
        ],
    )
    back = read(path)
    assert back.labels == {}
    assert len(back.objects) == 0
    assert back.notes == (
        "2 feature(s) without an area (points, lines) were left out.",
        "6 object(s) are empty or lie outside the image and were left out.",
    )


def test_a_self_crossing_outline_is_taken_and_said(path: Path) -> None:
    save(path, [feature(polygon((2, 2), (12, 12), (12, 2), (2, 12)))])
    back = read(path)
    assert back.labels["glands"].sum() > 20
    assert back.notes == ("1 outline(s) cross themselves; all that they enclose was taken.",)


def test_an_enormous_polygon_is_cut_to_the_image(path: Path) -> None:
    save(path, [feature(polygon((-1e8, -1e8), (1e8, -1e8), (1e8, 1e8), (-1e8, 1e8)))])
    assert (read(path).labels["glands"] == 1).all()


@pytest.mark.parametrize(
    "content",
    [
        {"type": "Topology"},
        {"type": "FeatureCollection"},
        {"type": "FeatureCollection", "features": [3]},
        [[]],
        7,
        None,
        [feature(polygon((2, 2), (8, 2), (8, 1e30)))],
        [feature({"type": "Polygon", "coordinates": [["a", "b", "c"]]})],
        [feature({"type": "Polygon", "coordinates": [[[1, 2], [3], [4, 5]]]})],
        [feature({"type": "Polygon", "coordinates": [[[1, 2], [3, None], [4, 5]]]})],
        [feature({"type": "Polygon", "coordinates": 5})],
        [feature({"type": "Polygon", "coordinates": [7]})],
        [feature({"type": "MultiPolygon", "coordinates": [[1, 2]]})],
        [feature({"type": "MultiPolygon", "coordinates": [1, 2]})],
        [feature({"type": "Polygon", "coordinates": [{"0": 1}]})],
    ],
)
def test_damaged_geojson_is_refused_with_its_file(path: Path, content: Any) -> None:
    save(path, content)
    with pytest.raises(DataError, match=r"qupath\.geojson"):
        read(path)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "[NAN]", "\udcff"])
def test_files_that_are_no_json_are_refused(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=r"qupath\.geojson"):
        read(path)


def test_an_export_that_is_cancelled_or_fails_keeps_the_old_file(path: Path, tmp_path: Path) -> None:
    path.write_text("old")
    job = write_geojson(path, {"glands": np.arange(1, 26, dtype=np.int32).reshape(5, 5)}, pd.DataFrame())
    next(job)
    job.close()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    with pytest.raises(OutputError):
        written(path / "below", {"glands": np.ones((2, 2), np.int32)})
    with pytest.raises(CerberusError, match="'index'"):
        written(path, {"glands": np.ones((2, 2), np.int32)}, pd.DataFrame({"task": ["glands"]}))
    assert path.read_text() == "old"


def test_senseless_settings_are_refused() -> None:
    with pytest.raises(SettingsError, match="downsample"):
        ImportSettings(downsample=0)
    with pytest.raises(SettingsError, match="offset_px"):
        ImportSettings(offset_px=(float("nan"), 0))


def test_classes_with_quotes_and_umlauts_survive(path: Path) -> None:
    labels = {"glands": np.ones((3, 3), np.int32)}
    name = 'Drüse "groß" \\ 漢'
    written(path, labels, table_of(labels, **{"class": name}))
    assert read(path, (3, 3)).objects["class"][0] == name
