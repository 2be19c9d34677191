"""Atomic writing where others read at the same moment."""

import pathlib

import pytest

from napari_cerberus import files
from napari_cerberus.errors import OutputError
from napari_cerberus.files import write_text


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
