"""Writing so that a reader sees either the old file or the new one, never half of one."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from .errors import DataError, OutputError

_TRIES, _TRY_EVERY_S = 10, 0.05
_ON_WINDOWS = os.name == "nt"


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a path beside ``target`` to write to; on success it takes the place of ``target``.

    Raises
    ------
    OutputError
        If the folder cannot be written or the disk is full; ``target`` is as it was.
    """
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.stem[:40]}.", suffix=target.suffix, dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        _flush(temporary)
        temporary.chmod(0o644)
        _take_place(temporary, target)
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a new folder beside ``target``; on success it takes the place of ``target``, old content and all.

    Raises
    ------
    OutputError
        If the parent folder cannot be written or the disk is full; ``target`` is as it was.
    """
    temporary: Path | None = None
    retired: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name[:40]}.", dir=target.parent))
        yield temporary
        for path in temporary.rglob("*"):
            if path.is_file():
                path.chmod(0o644)
                _flush(path)
        temporary.chmod(0o755)
        if target.exists():
            retired = Path(tempfile.mkdtemp(prefix=f".{target.name[:40]}.old.", dir=target.parent)) / target.name
            target.replace(retired)
        try:
            temporary.replace(target)
        except OSError:
            if retired is not None:
                retired.replace(target)
            raise
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        for leftover in (temporary, retired.parent if retired is not None else None):
            if leftover is not None:
                shutil.rmtree(leftover, ignore_errors=True)


def write_text(target: Path, text: str) -> None:
    """Write UTF-8 ``text`` atomically. Raises ``OutputError``."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8")


def inside(folder: Path, name: str) -> Path:
    """The path in ``folder`` of a name that stands in a file: nothing outside is ever meant, links followed.

    Parameters
    ----------
    folder : Path
        Chosen by the user; it may itself be a link.
    name : str
        Relative, parts joined by ``/``.

    Raises
    ------
    DataError
        If the name is absolute, has a drive, ``.`` or ``..``, a backslash or a control character, or leads out of
        the folder by a link.
    """
    parts = name.split("/")
    odd = any(letter in "\\:" or not letter.isprintable() for letter in name)
    if odd or any(part != part.strip() or part.strip(".") == "" for part in parts):
        raise DataError(f"{name[:80]!r} is not a name within {folder}; do not trust the file that says so.")
    path = folder.joinpath(*PurePosixPath(name).parts)
    try:
        real, root = path.resolve(), folder.resolve()
    except (OSError, RuntimeError) as error:  # a link to itself, or a name too long
        raise DataError(f"{path} cannot be followed: {getattr(error, 'strerror', None) or error}.") from error
    if not real.is_relative_to(root):
        raise DataError(f"{path} is a link that leads out of {folder}; remove it, or put a copy there.")
    return path


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _take_place(temporary: Path, target: Path) -> None:
    """Windows refuses it while somebody reads ``target``: a moment later it goes."""
    for tries_left in reversed(range(_TRIES)):
        try:
            temporary.replace(target)
            return
        except PermissionError:
            if not _ON_WINDOWS or not tries_left:
                raise
            time.sleep(_TRY_EVERY_S)


def _flush(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def folders_in(root: Path) -> list[Path]:
    """What lies in a folder, by name; nothing where there is no such folder, or nobody may look into it."""
    try:
        return sorted(root.iterdir())
    except OSError:
        return []
