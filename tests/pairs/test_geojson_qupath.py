"""GeoJSON against what QuPath documents and does: geometry as JTS wants it, everything that its own files hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from shapely.geometry import shape as geometry_of

from napari_cerberus.annotation.object_columns import STATES
from napari_cerberus.errors import DataError
from napari_cerberus.interop.geojson import write_geojson
from napari_cerberus.interop.geojson_reading import read_geojson
from napari_cerberus.interop.imported_objects import ImportedObjects
from napari_cerberus.progress import run_to_end
from pairs.make_labels import label_maps


def read(path: Path, *features: Any, shape: tuple[int, int] = (20, 20)) -> ImportedObjects:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return run_to_end(read_geojson(path, shape))


def square(x: float, y: float, side: float) -> dict[str, Any]:
    corners = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    return {"type": "Polygon", "coordinates": [corners]}


def feature(geometry: Any = None, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry or square(2, 2, 6), "properties": properties}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "from qupath.geojson"


# -- ours, as QuPath will see it ----------------------------------------------------------------------------------


@settings(max_examples=40)
@given(label_maps)
def test_every_geometry_is_valid_and_covers_exactly_the_pixels(tmp_path: Path, labels: np.ndarray) -> None:
    path = tmp_path / "o.geojson"
    run_to_end(write_geojson(path, {"glands": labels}, pd.DataFrame()))
    rows, columns = np.mgrid[: labels.shape[0], : labels.shape[1]]
    for one in json.loads(path.read_text(encoding="utf-8"))["features"]:
        shape = geometry_of(one["geometry"])
        own = labels == int(one["properties"]["metadata"]["id"])
        assert shape.is_valid
        assert shape.area == own.sum()
        assert shapely.get_num_geometries(shape) > 1 or one["geometry"]["type"] == "Polygon"
        # (0, 0) is the corner of the first pixel, as in QuPath: centres lie half a pixel further
        np.testing.assert_array_equal(shapely.contains_xy(shape, columns + 0.5, rows + 0.5), own)


def test_rings_turn_as_the_standard_says(tmp_path: Path) -> None:
    labels = np.zeros((12, 12), np.int32)
    labels[1:11, 1:11] = 1
    labels[3:9, 3:9] = 0
    labels[5:7, 5:7] = 1
    run_to_end(write_geojson(tmp_path / "o.geojson", {"glands": labels}, pd.DataFrame()))
    (one,) = json.loads((tmp_path / "o.geojson").read_text())["features"]
    assert one["geometry"]["type"] == "MultiPolygon"
    ring, island = sorted(geometry_of(one["geometry"]).geoms, key=lambda part: -part.area)
    assert (ring.area, island.area) == (64, 4)
    assert ring.exterior.is_ccw
    assert not ring.interiors[0].is_ccw
    assert island.exterior.is_ccw


def test_review_and_who_changed_it_come_back(tmp_path: Path) -> None:
    labels = np.zeros((20, 20), np.int32)
    table = []
    for number, state in enumerate(STATES, 1):
        labels[3 * number : 3 * number + 2, 2:9] = number
        said = {"state": state, "changed_by": f"Dr. Müller {number}", "changed_at": "2026-01-02T03:04:05Z"}
        table.append({"task": "nuclei", "index": number, "class": "plasma", **said})
    run_to_end(write_geojson(tmp_path / "o.geojson", {"nuclei": labels}, pd.DataFrame(table)))
    back = run_to_end(read_geojson(tmp_path / "o.geojson", (20, 20)))
    columns = ["task", "index", "class", "state", "changed_by", "changed_at"]
    pd.testing.assert_frame_equal(back.objects[columns], pd.DataFrame(table)[columns])
    for one in json.loads((tmp_path / "o.geojson").read_text(encoding="utf-8"))["features"]:
        assert all(isinstance(value, str) for value in one["properties"]["metadata"].values())


# -- theirs -------------------------------------------------------------------------------------------------------

OURS = {"task": "nuclei", "id": "7", "class": "plasma", "review": "accepted", "changed_by": "A", "changed_at": "then"}


def test_our_objects_survive_a_visit(path: Path) -> None:
    one = feature(
        square(2.0, 2.0, 6.0),
        objectType="detection",
        name="nuclei 7",
        classification={"name": "plasma", "color": [138, 92, 209]},
        isLocked=True,
        measurements={"Confidence": 0.25, "Class probability": 0.75, "Area µm^2": 36.0, "Nucleus: Length µm": 3.5},
        metadata={**OURS, "ANNOTATION_DESCRIPTION": "seen"},
    )
    back = read(path, one)
    assert back.notes == ()
    assert back.labels["nuclei"].sum() == 36
    assert back.objects.to_dict("records") == [
        {
            "task": "nuclei",
            "index": 1,
            "class": "plasma",
            "confidence": 0.25,
            "class_probability": 0.75,
            "state": "accepted",
            "changed_by": "A",
            "changed_at": "then",
        }
    ]


@pytest.mark.parametrize(
    ("classification", "task", "class_name"),
    [
        ({"name": "lymphocyte"}, "nuclei", "lymphocyte"),
        ({"name": "Gland"}, "glands", ""),
        ({"name": "Tumor"}, "nuclei", "Tumor"),
        ({"names": ["Tumor", "Positive"]}, "nuclei", "Tumor: Positive"),
        ({"name": "Nucleus"}, "nuclei", ""),
        (None, "nuclei", ""),
    ],
)
def test_a_class_that_was_changed_there_counts(path: Path, classification: Any, task: str, class_name: str) -> None:
    measured = {"Confidence": 0.25, "Class probability": 0.75}
    back = read(path, feature(classification=classification, metadata=OURS, measurements=measured))
    (row,) = back.objects.to_dict("records")
    assert (row["task"], row["class"], row["state"], row["changed_by"]) == (task, class_name, "edited", "")
    assert row["confidence"] == 0.25
    assert "class_probability" not in row
    assert "another class" in back.notes[0]


def test_an_untyped_object_of_ours_stays_untyped(path: Path) -> None:
    back = read(path, feature(classification={"name": "Gland"}, metadata={"task": "glands", "id": "1"}))
    assert back.objects.to_dict("records") == [{"task": "glands", "class": "", "index": 1}]
    assert back.notes == ()


def test_a_review_that_is_none_is_left_out(path: Path) -> None:
    metadata = {"task": "glands", "id": "1", "review": "maybe", "changed_by": 7}
    back = read(path, feature(classification={"name": "Gland"}, metadata=metadata))
    assert set(back.objects) == {"task", "class", "index"}


@pytest.mark.parametrize("value", ["NaN", '"NaN"', "Infinity", "-Infinity", "1" + "0" * 400, "true", "null"])
def test_measurements_that_are_no_numbers_are_no_hindrance(path: Path, value: str) -> None:
    text = json.dumps(feature(measurements={"Confidence": "HERE", "Class probability": 0.5})).replace('"HERE"', value)
    path.write_text(text, encoding="utf-8")
    back = run_to_end(read_geojson(path, (20, 20)))
    assert back.objects.to_dict("records") == [{"task": "glands", "class": "", "class_probability": 0.5, "index": 1}]


def test_coordinates_that_are_no_numbers_are_refused(path: Path) -> None:
    path.write_text(json.dumps(feature()).replace("[8, 2]", "[NaN, 2]"), encoding="utf-8")
    with pytest.raises(DataError, match="feature 1 has a ring"):
        run_to_end(read_geojson(path, (20, 20)))


@pytest.mark.parametrize(
    ("changes", "task"),
    [
        ({"objectType": "detection"}, "nuclei"),
        ({"objectType": "cell"}, "nuclei"),
        ({"object_type": "detection"}, "nuclei"),
        ({"type": "detection"}, "nuclei"),
        ({"objectType": "annotation"}, "glands"),
    ],
)
def test_object_types_of_every_version(path: Path, changes: dict[str, Any], task: str) -> None:
    assert read(path, feature(**changes)).objects.task[0] == task


def test_the_oldest_files_have_the_type_in_the_id(path: Path) -> None:
    assert read(path, {**feature(), "id": "PathDetectionObject"}).objects.task[0] == "nuclei"
    assert read(path, {**feature(), "id": "PathAnnotationObject"}).objects.task[0] == "glands"


@pytest.mark.parametrize("kind", ["tmaCore", "tma_core", "root"])
def test_cores_and_the_image_itself_are_no_objects(path: Path, kind: str) -> None:
    back = read(path, feature(objectType=kind), feature(square(10, 10, 3)))
    assert len(back.objects) == 1
    assert "1 object(s) of a class that stands for no task" in back.notes[0]


@pytest.mark.parametrize("name", ["childObjects", "children"])
def test_children_inside_children(path: Path, name: str) -> None:
    inner = feature(square(3, 3, 2), objectType="detection")
    outer = feature(objectType="annotation", **{name: [feature(square(2, 2, 4), **{name: [inner]})]})
    back = read(path, outer)
    assert sorted(back.objects.task) == ["glands", "glands", "nuclei"]


def test_only_the_first_plane_is_ours(path: Path) -> None:
    elsewhere = {**square(2, 2, 6), "plane": {"c": -1, "z": 3, "t": 0}}
    here = {**square(10, 10, 3), "plane": {"c": 1, "z": 0, "t": 0}}
    back = read(path, feature(elsewhere), feature(here))
    assert len(back.objects) == 1
    assert back.notes == ("1 object(s) of another plane (z or t) were left out.",)


def test_collections_and_bare_geometries(path: Path) -> None:
    point = {"type": "Point", "coordinates": [1, 1]}
    nested = {"type": "GeometryCollection", "geometries": [square(10, 10, 3)]}
    both = {"type": "GeometryCollection", "geometries": [point, square(2, 2, 4), nested]}
    back = read(path, feature(both))
    assert len(back.objects) == 1
    assert back.labels["glands"].sum() == 16 + 9
    path.write_text(json.dumps(square(2, 2, 4)), encoding="utf-8")
    assert run_to_end(read_geojson(path, (20, 20))).labels["glands"].sum() == 16
    empty = read(path, feature({"type": "GeometryCollection", "geometries": [point, 7, None]}))
    assert empty.labels == {}
    assert "without an area" in empty.notes[0]


def test_a_hole_and_what_lies_in_it(path: Path) -> None:
    ring = {"type": "Polygon", "coordinates": [square(2, 2, 10)["coordinates"][0], square(4, 4, 6)["coordinates"][0]]}
    island = {
        "type": "MultiPolygon",
        "coordinates": [ring["coordinates"], [square(6, 6, 2)["coordinates"][0]]],
    }
    back = read(path, feature(island))
    assert back.labels["glands"].sum() == 100 - 36 + 4
    assert back.notes == ()
