"""The manifest ``pairs.jsonl``: one line for each pair that was exported whole, appended after its files.

A pair without a line was cut off while it was written, or is not ours. A last line that is not whole is what a crash
leaves behind: it counts as not written.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal, Self

from pydantic import model_validator

from ...errors import DataError, OutputError, SettingsError
from ...files import inside
from ...locks import lock
from ...schemas import FileSchema, parse, to_bytes
from .ebhi import parse_name
from .names import check_category
from .sidecar import Digest, Name, Text

NAME = "pairs.jsonl"
STAGING = ".pairs-export"
"""Folder that holds an export until all of it is written."""
SIDECAR_FOLDER = "sidecar"
FILE_KEYS = ("image", "label", "sidecar", "labels")
_MAX_LINE = 65_536
_LOG = logging.getLogger(__name__)


def _of_a_pair(pair_id: str) -> str:
    category, _, name = pair_id.partition("/")
    try:
        if parse_name(name) is not None and check_category(category) == category:
            return pair_id
    except SettingsError:
        pass
    raise ValueError(f"{pair_id[:80]!r} cannot be the name of a pair")


class Entry(FileSchema):
    """One exported pair.

    Attributes
    ----------
    category, name : str
    patient_id : str
        As the user gave it; the file name holds its digits.
    tile_key : str
        Which part of which image at which pixel size: the same key again is the same tile.
    content_sha256 : str
        Of image, mask, labels, classes and review states: changed content has another one.
    files : mapping of image, label, sidecar, labels to SHA-256
    replaces : str
        ``category/name`` of the pair that this one took the place of, or empty.
    """

    format: Literal["napari-cerberus-pair/1"] = "napari-cerberus-pair/1"
    category: Name
    name: Name
    patient_id: Name
    tile_key: Name
    content_sha256: Digest
    files: dict[str, Digest]
    replaces: Text = ""

    @model_validator(mode="after")
    def _names_pairs(self) -> Self:
        if set(self.files) != set(FILE_KEYS):
            raise ValueError(f"files must name {', '.join(FILE_KEYS)}")
        for pair_id in filter(None, (self.id, self.replaces)):
            _of_a_pair(pair_id)
        return self

    @property
    def id(self) -> str:
        """``category/name``."""
        return f"{self.category}/{self.name}"

    @property
    def paths(self) -> dict[str, str]:
        """Path of each file, relative to the data set's folder."""
        return pair_paths(self.category, self.name)


def pair_paths(category: str, name: str) -> dict[str, str]:
    """Relative path of each of a pair's files, in the order in which they are put in place: the image last."""
    return {
        "labels": f"{category}/{SIDECAR_FOLDER}/{name}.tif",
        "sidecar": f"{category}/{SIDECAR_FOLDER}/{name}.json",
        "label": f"{category}/label/{name}.png",
        "image": f"{category}/image/{name}.png",
    }


def read_manifest(root: Path) -> list[Entry]:
    """Entries of a data set's manifest, in order; empty if there is none.

    Raises
    ------
    DataError
        If a line other than a torn last one is damaged, and which.
    """
    path = root / NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    whole, _, _torn = content.rpartition(b"\n")
    lines = whole.split(b"\n") if whole else []
    return [parse(Entry, line, f"{path} line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def live_entries(entries: Sequence[Entry]) -> list[Entry]:
    """The last entry of each pair, in order, without pairs whose place another one took."""
    live: dict[str, Entry] = {}
    for entry in entries:
        live.pop(entry.replaces, None)
        live.pop(entry.id, None)
        live[entry.id] = entry
    return list(live.values())


def exported_ids(root: Path) -> frozenset[str]:
    """``category/name`` of the pairs that were exported here, as far as the manifest can be read."""
    try:
        return frozenset(entry.id for entry in live_entries(read_manifest(root)))
    except DataError as error:
        _LOG.warning("%s Pairs without a sidecar are taken for published ones.", error)
        return frozenset()


@contextmanager
def locked_manifest(root: Path) -> Iterator[IO[bytes]]:
    """Open the manifest for appending, alone: a second export into the same folder is refused meanwhile.

    A manifest that is empty afterwards is removed again.

    Raises
    ------
    OutputError
        If it cannot be opened, or another program is exporting.
    DataError
        If it is a link that leads out of the folder.
    """
    path = inside(root, NAME)
    try:
        with path.open("ab+") as stream:
            if not lock(stream.fileno()):
                raise OutputError(f"Another export into {root} is running; wait until it is done.")
            try:
                yield stream
            finally:
                if stream.seek(0, os.SEEK_END) == 0:
                    _unlink_if_possible(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error


def _unlink_if_possible(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except PermissionError:  # Windows does not remove open files; an empty manifest does no harm
        _LOG.debug("%s is left empty", path)


def append_entries(stream: IO[bytes], entries: Sequence[Entry]) -> None:
    """Append whole lines in one go; a torn last line is cut off first. On an error nothing was appended.

    Raises
    ------
    OSError
        If the disk is full.
    """
    size = _cut_torn_line(stream)
    lines = "".join(entry_line(entry) for entry in entries)
    try:
        stream.write(lines.encode("utf-8"))
        stream.flush()
        os.fsync(stream.fileno())
    except OSError:
        stream.truncate(size)
        raise


def _cut_torn_line(stream: IO[bytes]) -> int:
    """Drop what follows the last line end; returns the size that is left."""
    size = stream.seek(0, os.SEEK_END)
    start = max(size - _MAX_LINE, 0)
    stream.seek(start)
    tail = stream.read()
    whole = start + tail.rfind(b"\n") + 1
    if whole < size and (start == 0 or b"\n" in tail):
        stream.truncate(whole)
        return whole
    return size


def entry_line(entry: Entry) -> str:
    """The line of an entry, with its end."""
    return to_bytes(entry, indent=None).decode("utf-8")
