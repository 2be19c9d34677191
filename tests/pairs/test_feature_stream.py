"""Features come one after the other, as a whole file would give them, and a damaged file is one sentence."""

from __future__ import annotations

import json
import math
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from napari_cerberus.errors import DataError
from napari_cerberus.interop import feature_stream
from napari_cerberus.interop.feature_stream import read_features

POINT = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1.5, -2e3]}, "properties": {"a": "]},{ \\ µ"}}
COLLECTION = {"type": "FeatureCollection", "features": [POINT, {"x": []}, POINT], "crs": {"features": [1]}}


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(params=[1, 5, 1 << 20])
def _chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_stream, "_CHUNK", request.param)


@pytest.mark.usefixtures("_chunk")
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (COLLECTION, COLLECTION["features"]),
        ({"features": [], "type": "FeatureCollection"}, []),
        ([POINT, POINT], [POINT, POINT]),
        ([], []),
        (POINT, [POINT]),
        (POINT["geometry"], [POINT["geometry"]]),
        (1234567890, [1234567890]),
        ({"type": "FeatureCollection", "features": 3}, [3]),
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_all_that_a_file_holds(tmp_path: Path, content: Any, expected: Any, indent: int | None) -> None:
    path = written(tmp_path / "a.geojson", json.dumps(content, indent=indent, ensure_ascii=False))
    assert list(read_features(path)) == expected


@pytest.mark.usefixtures("_chunk")
def test_a_file_that_was_cut_short_is_said_wherever_the_cut_is(tmp_path: Path) -> None:
    text = json.dumps(COLLECTION)
    for end in range(len(text)):
        path = written(tmp_path / "a.geojson", text[:end])
        with pytest.raises(DataError, match="damaged"):
            list(read_features(path))


@pytest.mark.parametrize(
    "text",
    [
        "[1, 2,]",
        "[1 2]",
        '{"a": 1,}',
        '{"a" 1}',
        "{1: 2}",
        "[1] 2",
        "[" * 100_000,
        '{"features": [1] "type": 2}',
        "\ufeff[]",
    ],
)
def test_what_is_no_json_is_one_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match="not a JSON file"):
        list(read_features(written(tmp_path / "a.geojson", text)))


def test_other_files_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        list(read_features(tmp_path / "absent.geojson"))
    (tmp_path / "a.geojson").write_bytes(b'["\xff"]')
    with pytest.raises(DataError, match="not UTF-8"):
        list(read_features(tmp_path / "a.geojson"))
    assert math.isnan(next(read_features(written(tmp_path / "a.geojson", "[NaN]"))))
    monkeypatch.setattr(feature_stream, "_CHUNK", 100)
    monkeypatch.setattr(feature_stream, "MAX_CHARACTERS", 1000)
    assert list(read_features(written(tmp_path / "a.geojson", json.dumps(["a" * 500] * 9)))) == ["a" * 500] * 9
    with pytest.raises(DataError, match="longer than"):
        list(read_features(written(tmp_path / "a.geojson", json.dumps(["a" * 5000]))))


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    with path.open("w", encoding="utf-8") as stream:
        stream.write('{"type": "FeatureCollection", "features": [')
        stream.write(",".join([json.dumps(POINT)] * 200_000))
        stream.write("]}")
    assert path.stat().st_size > 20 << 20
    tracemalloc.start()
    assert sum(1 for _ in read_features(path)) == 200_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 << 20
