"""Atomic writing where others read at the same moment."""

import os
import pathlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from napari_cerberus import files
from napari_cerberus.errors import DataError, OutputError
from napari_cerberus.files import inside, write_text


@pytest.fixture
def busy(monkeypatch):
    """A system on which a file cannot be replaced while somebody reads it, as on Windows: refusals left."""
    refusals = []
    replace = pathlib.Path.replace

    def refuse(self, target):
        if refusals:
            raise refusals.pop()
        return replace(self, target)

    monkeypatch.setattr(pathlib.Path, "replace", refuse)
    monkeypatch.setattr(files, "_TRY_EVERY_S", 0.0)
    return refusals


def test_a_file_that_is_being_read_is_replaced_a_moment_later(busy, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_ON_WINDOWS", True)
    busy += [PermissionError(13, "in use")] * 3
    write_text(tmp_path / "state.json", "new")
    assert (tmp_path / "state.json").read_text() == "new"
    busy += [PermissionError(13, "in use")] * 99
    with pytest.raises(OutputError, match=r"state\.json cannot be written: in use"):
        write_text(tmp_path / "state.json", "newer")
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]
    assert (tmp_path / "state.json").read_text() == "new"


def test_elsewhere_what_is_forbidden_stays_so(busy, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_ON_WINDOWS", False)
    busy += [PermissionError(13, "Permission denied")]
    with pytest.raises(OutputError, match="Permission denied"):
        write_text(tmp_path / "state.json", "new")


PLAIN = ["a", "image", "ä b"]
ODD = ["..", ".", "", "/", "\\", "C:", "...", "\0", "\n", "link", "out"]


@given(st.lists(st.sampled_from(PLAIN + ODD), min_size=1))
@example(["Polyp", "..", "..", "..", "victim"])
@example(["link", "a"])
def test_a_name_from_a_file_never_leads_out(tmp_path_factory, parts):
    folder = tmp_path_factory.getbasetemp() / "confined"
    folder.mkdir(exist_ok=True)
    if os.name != "nt" and not (folder / "link").is_symlink():
        (folder / "link").symlink_to("..")
        (folder / "out").symlink_to("/")
    if not set(parts) & set(ODD):
        assert inside(folder, "/".join(parts)) == folder.joinpath(*parts)
    else:
        try:
            path = inside(folder, "/".join(parts))
        except DataError:
            return
        assert folder.resolve() in path.resolve().parents


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_any_text_is_a_name_within_or_an_error(tmp_path_factory, name):
    folder = tmp_path_factory.getbasetemp()
    try:
        path = inside(folder, name)
    except DataError:
        return
    assert path.relative_to(folder).as_posix() == name
