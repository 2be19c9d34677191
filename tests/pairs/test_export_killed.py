"""Exports that are killed, or meet a full disk, at every single write: all or nothing, and never a wrong file."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from killing import is_write, killed_at, needs_fork
from napari_cerberus.errors import CerberusError
from napari_cerberus.pairs.check.data_check import check_data
from napari_cerberus.pairs.layout.manifest import NAME, STAGING, read_manifest
from napari_cerberus.pairs.write.export_plan import plan_export
from napari_cerberus.pairs.write.export_source import ExportSource, WhenChanged
from napari_cerberus.pairs.write.transaction import recover
from napari_cerberus.pairs.write.write_pairs import write_export
from napari_cerberus.progress import run_to_end
from ordinary_user import as_ordinary_user
from pairs.make_source import make_settings, make_source, with_annotation

_PUTTING_IN_PLACE = 28  # a write at which some files are in place and some are not

# Python 3.12 and later warn of a fork beside other threads; the child only writes files and ends without clean-up.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

SMALL = make_source(32, 32)


def changed(source: ExportSource) -> ExportSource:
    glands = source.annotated.labels["glands"].copy()
    glands[12, 12] = 0
    return with_annotation(source, labels={**source.annotated.labels, "glands": glands})


def export(root: Path, source: ExportSource = SMALL, when_changed: WhenChanged = "replace") -> None:
    made = run_to_end(plan_export(root, source, make_settings()))
    run_to_end(write_export(made, when_changed))


def content(root: Path) -> dict[str, bytes]:
    """Files by path; of sidecars only the names, because they hold the time."""
    return {
        str(path.relative_to(root)): b"" if path.suffix == ".json" else path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != NAME
    }


def assert_whole(root: Path) -> None:
    """No partner is missing, every line has its files, nothing is left over."""
    problems = run_to_end(check_data(root)).problems
    assert {problem.kind for problem in problems} <= {"one-patient", "one-image", "duplicate"}, problems
    assert not (root / STAGING).exists()


@needs_fork
def test_killed_at_every_write_it_is_all_or_nothing(tmp_path: Path) -> None:
    export(tmp_path / "reference")
    expected = content(tmp_path / "reference")
    outcomes = []
    for step in range(1, 500):
        root = tmp_path / f"root{step}"
        if not killed_at(step, lambda root=root: export(root)):
            break
        recover(root)
        outcomes.append(content(root))
        if outcomes[-1]:
            assert_whole(root)
        if step % 4 == 0:
            export(root)
            assert content(root) == expected
            assert len(read_manifest(root)) == 1
    assert all(outcome in ({}, expected) for outcome in outcomes)
    assert outcomes.count({}) > 3
    assert outcomes.count(expected) > 3


@needs_fork
def test_killed_while_replacing_it_is_the_old_pair_or_the_new_one(tmp_path: Path) -> None:
    export(tmp_path / "before")
    old = content(tmp_path / "before")
    shutil.copytree(tmp_path / "before", tmp_path / "after")
    export(tmp_path / "after", changed(SMALL))
    new = content(tmp_path / "after")
    assert old.keys() == new.keys()
    states = set()
    for step in range(1, 500):
        root = tmp_path / f"root{step}"
        shutil.copytree(tmp_path / "before", root)
        if not killed_at(step, lambda root=root: export(root, changed(SMALL))):
            break
        recover(root)
        found = content(root)
        assert found in (old, new), step
        states.add(found == new)
        assert_whole(root)
    assert states == {True, False}


@needs_fork
def test_killed_while_recovering_it_still_recovers(tmp_path: Path) -> None:
    export(tmp_path / "reference")
    expected = content(tmp_path / "reference")
    root = tmp_path / "cut-off"
    assert killed_at(_PUTTING_IN_PLACE, lambda: export(root))
    assert (root / STAGING / "plan.json").exists()
    for step in range(1, 200):
        copy = tmp_path / f"root{step}"
        shutil.copytree(root, copy)
        if not killed_at(step, lambda copy=copy: recover(copy)):
            break
        recover(copy)
        assert content(copy) == expected
        assert_whole(copy)
    assert step > 10


class FullDisk:
    """Raises "no space left" at the n-th write of one process, once or from then on."""

    def __init__(self) -> None:
        self.step = 0
        self.seen = 0
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.step and is_write(event, arguments):
            self.seen += 1
            if self.seen == self.step:
                raise OSError(28, "No space left on device")

    def at(self, step: int) -> None:
        self.step, self.seen = step, 0


@pytest.fixture(scope="module")
def full_disk() -> FullDisk:
    """Audit hooks cannot be taken back: one for all tests, asleep while its step is 0."""
    return FullDisk()


@pytest.mark.parametrize("replacing", [False, True])
def test_an_error_at_any_write_leaves_everything_as_it_was(
    tmp_path: Path, full_disk: FullDisk, replacing: bool
) -> None:
    failures = 0
    for step in range(1, 500):
        root = tmp_path / f"root{step}"
        if replacing:
            export(root)
        before, lines = content(root), read_manifest(root)
        made = run_to_end(plan_export(root, changed(SMALL), make_settings()))
        full_disk.at(step)
        failed = False
        try:
            run_to_end(write_export(made, "replace"))
        except CerberusError:
            failed = True
        reached = full_disk.seen >= step
        full_disk.at(0)
        if not reached:
            break
        failures += failed
        recover(root)
        if content(root) == before:
            assert failed
            assert read_manifest(root) == lines
        else:  # the error came after the pair was whole, or did not matter
            assert len(read_manifest(root)) == len(lines) + 1
        if content(root):
            assert_whole(root)
    assert failures > 10


@needs_fork
@pytest.mark.parametrize("lines", [0, 4])
def test_files_that_cannot_grow_leave_everything_as_it_was(tmp_path: Path, lines: int) -> None:
    """As on a full disk, writes fail in the middle of a file: also in the middle of the manifest."""
    resource = pytest.importorskip("resource")
    root = tmp_path / "root"
    for seed in range(lines):
        export(root, make_source(32, 32, seed=seed + 1))
    before, manifest = content(root), read_manifest(root)
    outcomes = set()
    for limit in (0, 50, 400, 700, 1500, 2500, 3000, 5000, 20_000):
        copy = tmp_path / f"copy{limit}"
        if root.exists():
            shutil.copytree(root, copy)

        def limited(copy: Path = copy, limit: int = limit) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            with contextlib.suppress(CerberusError):
                export(copy)

        assert not killed_at(10**9, limited)
        written = len(read_manifest(copy)) - len(manifest)
        outcomes.add(written)
        if written:
            assert_whole(copy)
        else:
            assert content(copy) == before
            assert (copy / NAME).exists() == bool(lines)
    assert outcomes == {0, 1}


def test_a_torn_last_line_counts_as_not_written_and_is_mended(tmp_path: Path) -> None:
    export(tmp_path)
    path = tmp_path / NAME
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    assert len(read_manifest(tmp_path)) == 1
    export(tmp_path, make_source(32, 32, seed=3))
    assert len(read_manifest(tmp_path)) == 2
    assert path.read_bytes().startswith(whole)
    assert path.read_bytes().count(b"\n") == 2


def test_what_cannot_be_finished_says_how_to_give_up(tmp_path: Path) -> None:
    staging = tmp_path / STAGING
    export(tmp_path)
    line = (tmp_path / NAME).read_text().strip()
    shutil.rmtree(tmp_path / "Polyp")
    (tmp_path / NAME).unlink()
    staging.mkdir()
    (staging / "plan.json").write_text(f'{{"format": "napari-cerberus-export/1", "entries": [{line}]}}')
    with pytest.raises(CerberusError, match=r"remove .*\.pairs-export to give it up"):
        recover(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="needs permissions as posix has them")
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with as_ordinary_user(), pytest.raises(CerberusError, match="cannot be"):
            export(tmp_path / "new")
    finally:
        tmp_path.chmod(0o755)
