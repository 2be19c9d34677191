"""Pairs enter a folder all or none, even where the program is killed or the disk fills up.

1. Every file is written into a hidden staging folder. Killed here: the folder is cleaned away, nothing had changed.
2. ``plan.json`` is written there, atomically: from here on the export will be finished, by us or by the next one.
3. Files of pairs that are replaced move into the staging folder; staged files take their places, images last.
4. The manifest gets its lines, in one go, and the staging folder is removed.

An error in step 3 or 4 (a full disk, a file that appeared) undoes them instead.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal

from ...errors import DataError, OutputError
from ...files import inside, sha256_of, write_text
from ...schemas import FileSchema, read, to_bytes
from ..layout.manifest import STAGING, Entry, append_entries, entry_line, locked_manifest, pair_paths, read_manifest
from ..words import counted

_OLD = ".replaced"
_PLAN = "plan.json"
_MAX_PLAN_BYTES = 1 << 30
_LOG = logging.getLogger(__name__)


class _Plan(FileSchema):
    """An export that is whole in the staging folder."""

    format: Literal["napari-cerberus-export/1"] = "napari-cerberus-export/1"
    entries: tuple[Entry, ...]


@contextmanager
def open_for_export(root: Path) -> Iterator[IO[bytes]]:
    """Make the folder where needed, lock its manifest, and see to a cut-off export first.

    A folder that was made here and is empty at the end is removed again.

    Raises
    ------
    OutputError
        If the folder cannot be written, or another export into it is running.
    """
    made = not root.exists()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{root} cannot be made: {error.strerror or error}.") from error
    try:
        with locked_manifest(root) as stream:
            _finish(root, stream)
            yield stream
    finally:
        if made:
            _remove_if_empty(root)


def recover(root: Path) -> str:
    """Finish or clean an export that was cut off.

    Returns
    -------
    str
        What was done, for the user; empty if there was nothing to do.

    Raises
    ------
    OutputError
        If the folder cannot be written, or the export cannot be finished.
    """
    if not (root / STAGING).is_dir():
        return ""
    with locked_manifest(root) as stream:
        return _finish(root, stream)


def seal(root: Path, entries: Sequence[Entry]) -> None:
    """Declare the staging folder complete: from here on the export will be finished, whatever happens.

    Parameters
    ----------
    root : Path
        Its staging folder holds every file of ``entries`` at its relative path.
    entries : sequence of Entry

    Raises
    ------
    DataError
        If a link in the folder would take a file out of it.
    OutputError
        If the disk is full.
    """
    _require_inside(root, entries)
    write_text(root / STAGING / _PLAN, to_bytes(_Plan(entries=tuple(entries)), indent=None).decode("utf-8"))


def commit(root: Path, stream: IO[bytes], entries: Sequence[Entry]) -> None:
    """Put sealed pairs in place and into the manifest; on an error everything is as it was before.

    Parameters
    ----------
    root : Path
    stream : binary file
        From ``open_for_export``.
    entries : sequence of Entry

    Raises
    ------
    OutputError
        If a file cannot be put in place.
    """
    try:
        _roll_forward(root, stream, entries)
    except (OSError, DataError) as error:
        try:
            _roll_back(root, entries)
        except (OSError, DataError) as second:
            raise OutputError(
                f"The export into {root} was cut off ({_reason(second)}); the next export there will finish it."
            ) from second
        raise OutputError(f"The export into {root} was undone: {_reason(error)}.") from error
    discard(root)


def discard(root: Path) -> None:
    """Remove the staging folder, its plan first: what is half removed must not be taken for complete.

    What cannot be removed now is removed by the next export.
    """
    try:
        (root / STAGING / _PLAN).unlink(missing_ok=True)
        shutil.rmtree(root / STAGING, ignore_errors=True)
    except OSError as error:
        _LOG.warning("%s cannot be removed yet: %s", root / STAGING, error)


def _finish(root: Path, stream: IO[bytes]) -> str:
    staging = root / STAGING
    if staging.is_symlink():
        raise OutputError(f"{staging} is a link, which no export of ours makes; remove the link.")
    if not staging.is_dir():
        return ""
    if not (staging / _PLAN).exists():
        discard(root)
        return "An export that was cut off was cleaned away; nothing of it had been written."
    entries = read(_Plan, staging / _PLAN, max_bytes=_MAX_PLAN_BYTES).entries
    _require_inside(root, entries)
    try:
        _roll_forward(root, stream, entries)
    except (OSError, DataError) as error:
        raise OutputError(
            f"A cut-off export cannot be finished ({_reason(error)}); mend that, or remove {staging} to give it up."
        ) from error
    discard(root)
    return f"An export that was cut off was finished: {counted(len(entries), 'pair')}."


def _require_inside(root: Path, entries: Sequence[Entry]) -> None:
    """Every file that a plan may touch lies in the folder, also where links are followed. Raises ``DataError``."""
    for entry in entries:
        for path in (*entry.paths.values(), *_paths_of(entry.replaces)):
            for place in (path, f"{STAGING}/{path}", f"{STAGING}/{_OLD}/{path}"):
                inside(root, place)


def _roll_forward(root: Path, stream: IO[bytes], entries: Sequence[Entry]) -> None:
    """Every step may have been done already, by a run that was cut off."""
    written = {entry_line(entry) for entry in read_manifest(root)}
    missing = [entry for entry in entries if entry_line(entry) not in written]
    for entry in missing:
        _retire(root, entry)
        for key, path in entry.paths.items():
            _put(root, path, entry.files[key])
    if missing:
        append_entries(stream, missing)


def _retire(root: Path, entry: Entry) -> None:
    """Move the files of the pair that an entry replaces into the staging folder."""
    for path in _paths_of(entry.replaces):
        put_already = path in entry.paths.values() and _is_put(root, path)
        if (root / path).exists() and not put_already:
            kept = root / STAGING / _OLD / path
            kept.parent.mkdir(parents=True, exist_ok=True)
            (root / path).replace(kept)


def _put(root: Path, path: str, sha256: str) -> None:
    """Move one staged file to its place, never onto another file."""
    staged, target = root / STAGING / path, root / path
    if target.exists():
        if sha256_of(target) != sha256:
            raise DataError(f"{target} appeared meanwhile")
        staged.unlink(missing_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(staged, target)  # unlike a rename, this fails where a file has appeared
    except FileExistsError as error:
        raise DataError(f"{target} appeared meanwhile") from error
    except OSError:  # a disk without hard links
        staged.replace(target)
    staged.unlink(missing_ok=True)


def _roll_back(root: Path, entries: Sequence[Entry]) -> None:
    """Take back what ``_roll_forward`` put in place, as far as the disk lets us."""
    for entry in entries:
        for path in entry.paths.values():
            _take_back(root, path)
        for path in _paths_of(entry.replaces):
            kept = root / STAGING / _OLD / path
            if kept.exists():
                kept.replace(root / path)
        for path in entry.paths.values():
            _remove_if_empty((root / path).parent)
        _remove_if_empty(root / entry.category)
    discard(root)


def _take_back(root: Path, path: str) -> None:
    """Move a file that was put in place back, so that the undoing too can be cut off and gone on with."""
    staged, target = root / STAGING / path, root / path
    if not _is_put(root, path):
        return
    if staged.exists():
        target.unlink()  # a rename onto another link of the same file does nothing
    else:
        target.replace(staged)


def _is_put(root: Path, path: str) -> bool:
    """Whether the file at ``path`` is the staged one: that has left the staging folder, or is linked to both."""
    staged, target = root / STAGING / path, root / path
    return target.exists() and (not staged.exists() or staged.samefile(target))


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _paths_of(pair_id: str) -> list[str]:
    category, _, name = pair_id.partition("/")
    return list(pair_paths(category, name).values()) if name else []


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
