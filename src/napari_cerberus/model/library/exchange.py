"""A model as one file: a zip with description, weights, card and notes, and the SHA-256 of each.

Read with suspicion: only the files named here are taken, none larger than it may be, none with a path, and
nothing is unpickled. A file that is not whole leaves the library as it was.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ...decode_errors import reason_of
from ...errors import ModelError, OutputError, SettingsError
from ...files import atomic_path, sha256_of
from ...whole_folders import atomic_folder
from ..reference_tiles import MAX_FILE_BYTES, REFERENCES_FILE
from ..spec import CARD_FILE, SPEC_FILE, WEIGHTS_FILE
from .entries import ModelEntry, entry_of, library_folder
from .library_lock import library_lock
from .manage import MODEL_FILES, RECORD_FILE, checked_name, free_name, write_name

FORMAT = "napari-cerberus model file/1"
MANIFEST = "manifest.json"
MAX_BYTES = {
    SPEC_FILE: 8 << 20,
    WEIGHTS_FILE: 2 << 30,
    CARD_FILE: 4 << 20,
    REFERENCES_FILE: MAX_FILE_BYTES,
    RECORD_FILE: 1 << 20,
    MANIFEST: 1 << 16,
}
"""Largest size of each file, unpacked."""
_BLOCK = 1 << 20
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def export_model(name: str, file: Path) -> None:
    """Write a model of the library to one file.

    Raises
    ------
    ModelError
        If there is no such model, or its weights are damaged.
    OutputError
        If the file cannot be written; an older one is then as it was.
    """
    entry = entry_of(name)
    if not entry.verify():
        raise ModelError(f"The weights of {name!r} are damaged, so it was not exported.")
    if file.is_dir():
        raise OutputError(f"{file} is a folder; name the file to write, for example {name}.zip.")
    present = [entry.path / member for member in MODEL_FILES if (entry.path / member).is_file()]
    sums = {path.name: {"sha256": sha256_of(path), "bytes": path.stat().st_size} for path in present}
    manifest = json.dumps({"format": FORMAT, "name": entry.name, "files": sums}, indent=1, ensure_ascii=False)
    with atomic_path(file) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(MANIFEST, manifest + "\n")
        for path in present:
            archive.write(path, path.name)


def import_model(file: Path) -> ModelEntry:
    """Add the model of a file to the library; where its name is taken it gets a number.

    Raises
    ------
    ModelError
        If the file cannot be read, is no model file of ours, is damaged, holds anything else or too much, or its
        weights do not fit its description.
    OutputError
        If the library cannot be written.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            return _import(archive, file)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, zlib.error, NotImplementedError) as error:
        raise ModelError(f"{file} is not a model file, or a damaged one: {reason_of(error)}.") from error
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror or error}.") from error


@dataclass(frozen=True, kw_only=True)
class _Manifest:
    name: str
    sums: Mapping[str, tuple[str, int]]


def _import(archive: zipfile.ZipFile, file: Path) -> ModelEntry:
    from ..checkpoint import load_model

    members = _members(archive, file)
    manifest = _manifest(archive, members[MANIFEST], file)
    if set(manifest.sums) != set(members) - {MANIFEST}:
        raise ModelError(f"{file} does not hold the files that its {MANIFEST} names.")
    with library_lock():
        free = free_name(manifest.name)
        with atomic_folder(library_folder() / free, ours=MODEL_FILES) as temporary:
            for name, (sha256, size) in manifest.sums.items():
                _unpack(archive, members[name], temporary / name, sha256, size)
            load_model(temporary)  # every tensor is compared with the description before anyone can choose the model
            write_name(temporary, free)
    return entry_of(free)


def _members(archive: zipfile.ZipFile, file: Path) -> dict[str, zipfile.ZipInfo]:
    """The archive's files by name, after a look at every one."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        if info.filename not in MAX_BYTES or info.filename in members:
            raise ModelError(f"{file} holds {info.filename[:80]!r}, which does not belong in a model file.")
        if info.flag_bits & _ENCRYPTED or info.compress_type not in _METHODS:
            raise ModelError(f"{file}: {info.filename} is encrypted or packed in an unknown way.")
        if info.file_size > MAX_BYTES[info.filename]:
            raise ModelError(f"{file}: {info.filename} would unpack to {info.file_size / 2**20:.0f} MB, too much.")
        members[info.filename] = info
    for needed in (MANIFEST, SPEC_FILE, WEIGHTS_FILE):
        if needed not in members:
            raise ModelError(f"{file} is not a model file: it holds no {needed}.")
    return members


def _manifest(archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: Path) -> _Manifest:
    with archive.open(info) as stream:
        text = stream.read(MAX_BYTES[MANIFEST] + 1)
    try:
        data: Any = json.loads(text)
        if data["format"] != FORMAT:
            raise ModelError(f"{file} has the format {data['format']!r}; this program reads {FORMAT!r}.")
        sums = {name: (_text(one["sha256"]), _count(one["bytes"])) for name, one in data["files"].items()}
        return _Manifest(name=checked_name(_text(data["name"])), sums=sums)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, SettingsError) as error:
        raise ModelError(f"{file}: {MANIFEST} is damaged: {error}") from error


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, sha256: str, size: int) -> None:
    """Copy one file, counting: what the archive says of its own sizes is not trusted."""
    digest, written = hashlib.sha256(), 0
    with archive.open(info) as source, target.open("wb") as stream:
        while block := _read(source):
            written += len(block)
            if written > min(size, MAX_BYTES[info.filename]):
                raise ModelError(f"{info.filename} is larger than the model file says; nothing was imported.")
            digest.update(block)
            stream.write(block)
    if written != size or digest.hexdigest() != sha256:
        raise ModelError(f"{info.filename} is damaged: its SHA-256 is not {sha256[:12]}…; nothing was imported.")


def _read(stream: IO[bytes]) -> bytes:
    return stream.read(_BLOCK)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} must be text.")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{value!r} must be a number of bytes.")
    return value
