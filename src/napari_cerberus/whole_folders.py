"""Folders that are replaced whole: the old one or the new one, never half of one, and never anything of the user's.

1. The new folder is written beside the old one, under a hidden name.
2. What lies in the old one and is not ours is put into the new one too.
3. The old one steps aside to ``.NAME.cerberus~``, the new one takes its place, the old one is removed.

Killed within step 3 there may be no folder of that name: whoever looks next (``settle``) puts the old one back.
"""

from __future__ import annotations

import errno
import fnmatch
import logging
import os
import secrets
import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import OutputError
from .files import flush, folders_in

_ASIDE = ".cerberus~"
_NEW = ".napari-cerberus-new-"
_LEFT_BEHIND_S = 24 * 3600.0
"""So long after its last change a new folder that never took its place is what a kill left behind."""
_TRIES, _TRY_EVERY_S = 10, 0.05
_LOG = logging.getLogger(__name__)


@contextmanager
def atomic_folder(target: Path, *, ours: Collection[str]) -> Iterator[Path]:
    """Yield a new folder beside ``target``; on success it takes the place of ``target``.

    Parameters
    ----------
    target : Path
        A link is followed.
    ours : collection of str
        Names, or patterns as of the shell, of the files that we write there: these are replaced or removed. Whatever
        else lies in an old folder stays.

    Raises
    ------
    OutputError
        If the parent folder cannot be written or the disk is full, or ``target`` is a file; it is as it was.
    """
    temporary: Path | None = None
    place = target.resolve() if target.is_symlink() else target
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        settle(place)
        _remove_left_behind(place.parent)
        if place.exists() and not place.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "it is a file")
        temporary = _new_folder(place.parent)
        yield temporary
        for path in temporary.rglob("*"):
            if path.is_file():
                flush(path)
        _keep_foreign(place, temporary, ours)
        _swap(temporary, place)
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def settle(target: Path) -> None:
    """Put back what a killed replacement of ``target`` set aside, or remove it where the new one is in place."""
    if not target.name:  # the root of a disk, or the present folder
        return
    aside = _aside(target)
    if aside.is_symlink() or not aside.is_dir():
        return
    try:
        if target.exists():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.rename(target)
    except OSError as error:  # another program was faster, or nobody may write here
        _LOG.warning("%s cannot be put back to %s: %s", aside, target, error)


def settle_all(parent: Path) -> list[str]:
    """``settle`` every folder of ``parent``; the names of those that were put back."""
    gone = []
    for path in folders_in(parent):
        if path.name.startswith(".") and path.name.endswith(_ASIDE) and len(path.name) > len(_ASIDE) + 1:
            target = parent / path.name[1 : -len(_ASIDE)]
            gone += [] if target.exists() else [target]
            settle(target)
    return [target.name for target in gone if target.exists()]


def _aside(target: Path) -> Path:
    return target.with_name(f".{target.name}{_ASIDE}")


def _new_folder(parent: Path) -> Path:
    """With the rights that the user's umask gives."""
    while True:
        path = parent / f"{_NEW}{secrets.token_hex(4)}"
        with suppress(FileExistsError):
            path.mkdir()
            return path


def _remove_left_behind(parent: Path) -> None:
    for path in folders_in(parent):
        if path.name.startswith(_NEW) and time.time() - path.lstat().st_mtime > _LEFT_BEHIND_S:
            shutil.rmtree(path, ignore_errors=True)


def _keep_foreign(old: Path, new: Path, ours: Collection[str]) -> None:
    """Link, or copy, what is not ours from the old folder into the new one."""
    for path in old.iterdir() if old.is_dir() else ():
        folder = path.is_dir() and not path.is_symlink()
        if not folder and any(fnmatch.fnmatchcase(path.name, pattern) for pattern in ours):
            continue
        if (new / path.name).exists():
            raise FileExistsError(errno.EEXIST, f"there is another {path.name}, which is not ours")
        if folder:
            shutil.copytree(path, new / path.name, symlinks=True, copy_function=_link)
        else:
            _link(path, new / path.name)


def _link(source: Path | str, target: Path | str) -> None:
    """A second name for the same file: nothing is copied, and the first may be removed."""
    if not os.path.islink(source):
        with suppress(OSError):  # a disk without hard links
            os.link(source, target)
            return
    shutil.copy2(source, target, follow_symlinks=False)


def _swap(new: Path, target: Path) -> None:
    """Another program may do the same at this moment, and on Windows somebody may read: a moment later it goes."""
    for tries_left in reversed(range(_TRIES)):
        try:
            if target.exists():
                target.rename(_aside(target))
            new.rename(target)
        except OSError:
            settle(target)
            if not tries_left:
                raise
            time.sleep(_TRY_EVERY_S)
        else:
            settle(target)
            return
