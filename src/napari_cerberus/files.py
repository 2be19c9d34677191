"""Writing so that a reader sees either the old file or the new one, never half of one."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
        temporary = _new_file(target)
        yield temporary
        flush(temporary)
        _take_place(temporary, target)
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


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


def _new_file(target: Path) -> Path:
    """An empty file beside ``target`` that nobody else has, with the rights that the user's umask gives."""
    while True:
        path = target.with_name(f".{target.stem[:40]}.{secrets.token_hex(4)}{target.suffix}")
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            return path


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


def flush(path: Path) -> None:
    """Wait until a file's content is on the disk. Raises ``OSError``."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def folders_in(root: Path) -> list[Path]:
    """What lies in a folder, by name; nothing where there is no such folder, or nobody may look into it."""
    try:
        return sorted(root.iterdir())
    except OSError:
        return []
