"""The pairs as they are: SHA-256 of every file, to notice that they changed while a run was under way."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from ..errors import DataError
from ..files import sha256_of
from ..pairs.words import counted
from ..progress import Job, Progress

_PARTS = ("image", "label", "sidecar")


def fingerprint(folder: Path) -> Job[dict[str, str]]:
    """SHA-256 of every image, label and sidecar file, by path below ``folder``.

    Raises
    ------
    DataError
        If a file cannot be read.
    """
    files = sorted(path for part in _PARTS for path in folder.glob(f"*/{part}/*") if _counts(path))
    found = {}
    for done, path in enumerate(files):
        yield Progress("Noting the pairs as they are", done, len(files))
        try:
            found[path.relative_to(folder).as_posix()] = sha256_of(path)
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    return found


def combined(files: Mapping[str, str]) -> str:
    """One SHA-256 over all names and hashes."""
    digest = hashlib.sha256()
    for name, sha256 in sorted(files.items()):
        digest.update(f"{name}\0{sha256}\n".encode(errors="backslashreplace"))
    return digest.hexdigest()


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """What changed between two looks, in words ("2 files, for example Polyp/image/a.png"); "" for nothing.

    Files that were added change nothing: the split does not name them, so a run leaves them alone.
    """
    differing = sorted(name for name, sha256 in before.items() if after.get(name) != sha256)
    return f"{counted(len(differing), 'file')}, for example {differing[0]}" if differing else ""


def _counts(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")
