"""One schema a format: what is wrong with a file is one sentence that names file and field and says what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field

from napari_cerberus.errors import DataError, SettingsError
from napari_cerberus.pixel_size import PixelSize, PixelSizeSource
from napari_cerberus.schemas import (
    FileSchema,
    HexDigest,
    Schema,
    Share,
    ShortText,
    check,
    parse,
    read,
    read_toml,
    to_bytes,
)


class Model(Schema):
    name: ShortText
    sha256: HexDigest = ""


class Run(FileSchema):
    format: Literal["a run"] = "a run"
    format_version: Literal[1] = 1
    share: Share
    pixel_size: PixelSize
    region: tuple[int, int]
    models: dict[Literal["nuclei", "glands"], Model] = Field(default_factory=dict)


GOOD: dict[str, Any] = {
    "format": "a run",
    "format_version": 1,
    "share": 0.5,
    "pixel_size": {"y_um": 1.13, "x_um": 1.5, "source": "assumed"},
    "region": [1, 2],
    "models": {"nuclei": {"name": "first", "sha256": "a" * 64}},
}


def sentence(data: object) -> str:
    with pytest.raises(DataError) as caught:
        check(Run, data, "run.json")
    text = str(caught.value)
    assert text.startswith("run.json")
    assert text.endswith(".")
    assert "\n" not in text
    assert "pydantic" not in text
    return text


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    run = check(Run, GOOD, "run.json")
    path = tmp_path / "run.json"
    path.write_bytes(to_bytes(run))
    assert read(Run, path) == run
    assert run.pixel_size == PixelSize(1.13, 1.5, PixelSizeSource.ASSUMED)
    assert json.loads(path.read_bytes()) == GOOD


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"share": 2}, "'share' must be at most 1.0, not 2"),
        ({"share": True}, "'share' must be a number, not True"),
        ({"share": "0.5"}, "'share' must be a number, not '0.5'"),
        ({"share": float("nan")}, "'share' must be a finite number"),
        ({"region": [1, 2.5]}, r"'region[1]' must be a whole number"),
        ({"region": [1]}, r"'region[1]' is missing"),
        ({"pixel_size": {"y_um": 99.0, "x_um": 1.0, "source": "assumed"}}, "'pixel_size': Pixel size must lie in"),
        ({"pixel_size": {"y_um": 1.0, "x_um": 1.0, "source": "a guess"}}, "'pixel_size.source' must be 'set by you'"),
        ({"models": {"stroma": {"name": "x"}}}, "'models.stroma' must be 'nuclei' or 'glands'"),
        ({"models": {"nuclei": {"name": "x", "sha256": "zz"}}}, "'models.nuclei.sha256': must be 64 hexadecimal"),
        ({"models": {"nuclei": {"name": "x" * 301}}}, "'models.nuclei.name' must have at most 300 letters"),
        ({"colour": "red"}, "'colour' is not known; remove it"),
        ({"colour": "red", "share": 2}, "'colour' is not known; remove it"),
        ({"models": {"nuclei": {"name": "x", "colour": 1}}}, "'models.nuclei.colour' is not known"),
        ({"format": "a walk", "colour": "red"}, "is not a file of the kind “a run”"),
        ({"format_version": 2, "colour": "red"}, "says version 2, but this napari-cerberus reads version 1"),
    ],
)
def test_one_sentence_for_what_is_wrong(change: dict[str, Any], says: str) -> None:
    assert says in sentence(GOOD | change)


@pytest.mark.parametrize(("name", "says"), [("format", "kind"), ("format_version", "no version"), ("share", "missing")])
def test_what_must_be_said_is_missed(name: str, says: str) -> None:
    assert says in sentence({key: value for key, value in GOOD.items() if key != name})


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff", b"[" * 9_999, b'{"format": "\\ud800"}', b'{"share": ' + b"9" * 9_999 + b"}"],
)
def test_what_is_no_json_object_is_said(content: bytes) -> None:
    with pytest.raises(DataError, match=r"^run\.json (is not a JSON file|holds no JSON object)") as caught:
        parse(Run, content, "run.json")
    assert "\n" not in str(caught.value)


def test_missing_and_large_files(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    with pytest.raises(DataError, match=r"run\.json cannot be read: No such file"):
        read(Run, path)
    path.write_bytes(b"{}" * 9)
    with pytest.raises(DataError, match="too large"):
        read(Run, path, max_bytes=17)


def test_settings_in_toml_raise_what_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    path.write_text('name = "first"\n', encoding="utf-8")
    assert read_toml(Model, path) == Model(name="first")
    for text, says in (
        ("name = 1", "'name' must be text"),
        ("name = nan", "must be text"),
        ("name =", "not a TOML file"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SettingsError, match=says):
            read_toml(Model, path, error=SettingsError)


def test_a_name_that_is_no_text_cannot_be_written() -> None:
    with pytest.raises(DataError, match="cannot be written as text"):
        to_bytes(Model.model_construct(name="\udcff"))
