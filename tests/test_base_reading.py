"""What every room reads files with: strict JSON, one writer at a time, and errors that decoders raise."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from napari_cerberus.decode_errors import reason_of
from napari_cerberus.errors import DataError
from napari_cerberus.locks import lock
from napari_cerberus.strict_json import loads, read_json, read_object


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.json"


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "not a JSON file"), (b"\xff", "not UTF-8"), (b"[" * 99_999, "not a JSON file"), (b'{"a": NaN}', "NaN")],
)
def test_what_is_no_json_is_one_sentence_with_the_file(path: Path, content: bytes, says: str) -> None:
    path.write_bytes(content)
    with pytest.raises(DataError, match=says) as caught:
        read_json(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_large_and_foreign_files(path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_json(path)
    path.write_text("[1, 2, 3]")
    with pytest.raises(DataError, match="too large"):
        read_json(path, max_bytes=3)
    with pytest.raises(DataError, match="holds no JSON object"):
        read_object(path)
    assert read_json(path) == [1, 2, 3]


def test_nan_is_taken_only_where_that_is_asked_for() -> None:
    values = loads('[NaN, -Infinity, "NaN"]', "x", allow_nan=True)
    assert math.isnan(values[0])
    assert values[1:] == [-math.inf, "NaN"]
    with pytest.raises(DataError, match="-Infinity is not a JSON number"):
        loads("[-Infinity]", "x")


def test_one_writer_at_a_time(path: Path) -> None:
    path.write_bytes(b"text")
    first, second = (os.open(path, os.O_RDWR) for _ in range(2))
    try:
        os.lseek(first, 2, os.SEEK_SET)
        assert lock(first)
        assert os.lseek(first, 0, os.SEEK_CUR) == 2, "the place in the file is as it was"
        assert not lock(second)
        assert path.read_bytes() == b"text", "others may read"
    finally:
        os.close(first)
    assert lock(second), "closing frees it"
    os.close(second)


def test_a_reason_is_one_short_line() -> None:
    assert reason_of(ValueError("\n first \nsecond")) == "first"
    assert reason_of(MemoryError()) == "MemoryError"
    assert len(reason_of(ValueError("x" * 5000))) == 200
