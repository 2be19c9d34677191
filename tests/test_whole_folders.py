"""A folder that is replaced: killed anywhere there is one whole version at the next look, and foreign files stay."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from killing import killed_at, needs_fork
from napari_cerberus.errors import OutputError
from napari_cerberus.files import write_text
from napari_cerberus.whole_folders import atomic_folder, settle, settle_all

# Python 3.12 and later warn of a fork beside other threads; the child only writes files and ends without clean-up.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
OURS = ("a.txt", "b.txt", "*.png")
not_windows = pytest.mark.skipif(os.name == "nt", reason="rights and links are other things there")


def write(target: Path, text: str) -> None:
    with atomic_folder(target, ours=OURS) as temporary:
        for name in ("a.txt", "b.txt"):
            (temporary / name).write_text(text)


def content(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def whole(text: str) -> dict[str, str]:
    return {"a.txt": text, "b.txt": text}


FOREIGN = {"notes.txt": "notes", "sub/a.txt": "mine"}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "result"
    write(folder, "old")
    (folder / "sub").mkdir()
    (folder / "view.png").write_text("of the old one")
    for name, text in FOREIGN.items():
        (folder / name).write_text(text)
    return folder


def test_foreign_files_stay_and_ours_go(target: Path) -> None:
    write(target, "new")
    assert content(target) == whole("new") | FOREIGN
    assert [path.name for path in target.parent.iterdir()] == ["result"]


@needs_fork
def test_killed_at_any_write_one_whole_version_is_there_at_the_next_look(tmp_path: Path) -> None:
    step, seen, cut_off = 1, set(), 0
    while True:
        folder = tmp_path / str(step) / "result"
        write(folder, "old")
        (folder / "notes.txt").write_text("notes")
        if not killed_at(step, lambda at=folder: write(at, "new")):
            break
        cut_off += not folder.exists()
        settle(folder)
        found = content(folder)
        text = found["a.txt"]
        assert text in ("old", "new")
        assert found == {**whole(text), "notes.txt": "notes"}
        seen.add(text)
        step += 1
    assert seen == {"old", "new"}
    assert cut_off  # the hole: between the two renames nothing of that name was there


@needs_fork
def test_the_next_writer_too_finds_and_leaves_one_version(tmp_path: Path) -> None:
    step = 1
    while True:
        folder = tmp_path / str(step) / "result"
        write(folder, "old")
        (folder / "notes.txt").write_text("notes")
        if not killed_at(step, lambda at=folder: write(at, "new")):
            break
        write(folder, "newest")
        assert content(folder) == {**whole("newest"), "notes.txt": "notes"}
        assert not [path for path in folder.parent.iterdir() if path.name.endswith("~")]
        step += 1
    assert step > 5


def test_all_that_was_set_aside_in_a_folder_comes_back(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / name, name)
    (tmp_path / "one").rename(tmp_path / ".one.cerberus~")
    (tmp_path / ".cerberus~").mkdir()
    assert settle_all(tmp_path) == ["one"]
    assert content(tmp_path / "one") == whole("one")
    assert (tmp_path / ".cerberus~").is_dir()


def test_what_a_kill_left_a_day_ago_goes_and_what_is_being_written_stays(tmp_path: Path) -> None:
    for name, age in (("old", 2 * 86400), ("young", 60)):
        left = tmp_path / f".napari-cerberus-new-{name}"
        left.mkdir()
        (left / "weights").write_text("49 MB")
        os.utime(left, (left.stat().st_mtime - age,) * 2)
    write(tmp_path / "result", "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".napari-cerberus-new-young", "result"]


def test_a_file_of_that_name_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "result").write_text("a file")
    with pytest.raises(OutputError, match="it is a file"):
        write(tmp_path / "result", "x")
    assert (tmp_path / "result").read_text() == "a file"


@not_windows
def test_a_link_is_followed_and_a_link_within_is_kept(tmp_path: Path, target: Path) -> None:
    (target / "scan.svs").symlink_to("/nowhere/scan.svs")
    link = tmp_path / "link"
    link.symlink_to(target)
    write(link, "new")
    assert link.is_symlink()
    assert content(target) == whole("new") | FOREIGN
    assert os.readlink(target / "scan.svs") == "/nowhere/scan.svs"


def test_a_disk_without_links_copies(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    write(target, "new")
    assert content(target) == whole("new") | FOREIGN


@not_windows
@pytest.mark.parametrize("umask", [0o077, 0o022, 0o002])
def test_rights_follow_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write(tmp_path / "result", "x")
        write_text(tmp_path / "one.txt", "x")
    finally:
        os.umask(before)
    for path in (tmp_path / "result", tmp_path / "result" / "a.txt", tmp_path / "one.txt"):
        full = 0o777 if path.is_dir() else 0o666
        assert stat.S_IMODE(path.stat().st_mode) == full & ~umask
