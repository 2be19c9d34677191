"""One record of the journal, and its line on disk: ``<CRC-32 in hex> <JSON>`` and a newline.

The CRC covers the JSON, so a line that was cut off or altered is recognised; the bulky parts (pixels, table cells)
are compressed and in base64, so that a record has no newline inside.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...errors import DataError
from ...strict_json import loads
from ...tasks import INSTANCE_TASKS
from ..edits import Features
from ..finished_areas import FinishedArea, areas_from_json
from ..object_columns import CELLS

EDIT, RESULT, SNAPSHOT, AREAS = "edit", "result", "snapshot", "areas"
KINDS = (EDIT, RESULT, SNAPSHOT, AREAS)
MAX_LINE_BYTES = 1 << 28
_MAX_CELL_BYTES = 1 << 29


@dataclass(frozen=True, kw_only=True)
class Record:
    """What happened, once.

    Attributes
    ----------
    seq : int
        1, 2, 3 ... without gaps. The order of events; clocks are only told to the user.
    session : str
        Random name of one opening of the journal.
    elapsed_s : float
        Seconds since that opening by a clock that never jumps.
    at, by : str
        When (UTC, ISO 8601) and who.
    kind : {"edit", "result", "snapshot", "areas"}
        What the user did; a model's result; everything so far, which starts replay anew; or areas that were finished
        or reopened.
    task, tool, summary : str
        Which label map; "split", "accept", "undo" ...; the change set's summary.
    new_ids, removed_ids, changed_ids, marked_ids : tuple of int
        Objects that appear, vanish, get other pixels, or only other table cells.
    changed_px : int
    features : mapping
        Table cells after it, ``{id: {column: value}}``.
    pixels, model_pixels : bytes
        Packed changes of the label map and of the map of the model's last result.
    model_name, model_sha256 : str
        For a result.
    tissue : mapping of class to probability
        For a result: the readout that came with it, where there was one.
    tissue_doubt : str
        For a result: why its readout should not be relied on.
    finished : tuple of FinishedArea
        For areas: all that are finished from now on.
    thin : bool
        Pixels and cells were left out when the journal was compacted; a later snapshot holds what they did.
    """

    seq: int
    session: str
    elapsed_s: float
    at: str
    by: str
    kind: str
    task: str
    tool: str
    summary: str
    new_ids: tuple[int, ...] = ()
    removed_ids: tuple[int, ...] = ()
    changed_ids: tuple[int, ...] = ()
    marked_ids: tuple[int, ...] = ()
    changed_px: int = 0
    features: Features = field(default_factory=dict)
    pixels: bytes = b""
    model_pixels: bytes = b""
    model_name: str = ""
    model_sha256: str = ""
    tissue: Mapping[str, float] = field(default_factory=dict)
    tissue_doubt: str = ""
    finished: tuple[FinishedArea, ...] = ()
    thin: bool = False

    def thinned(self) -> Record:
        """The same without pixels and cells."""
        return replace(self, features={}, pixels=b"", model_pixels=b"", thin=True)


def line_of(data: Mapping[str, Any]) -> bytes:
    """JSON with its CRC, as a line."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(text), text)


def data_of(line: bytes) -> dict[str, Any]:
    """Check a line (without its newline) and parse it.

    Raises
    ------
    DataError
        If it is damaged.
    """
    crc, space, text = line[:8], line[8:9], line[9:]
    if space != b" " or crc != b"%08x" % zlib.crc32(text):
        raise DataError("a line is damaged")
    try:
        data = loads(text.decode("utf-8"), "a line")
    except (UnicodeDecodeError, DataError) as error:
        raise DataError("a line is not JSON") from error
    if not isinstance(data, dict):
        raise DataError("a line holds no record")
    return data


_PLAIN: Mapping[str, type | tuple[type, ...]] = {
    "seq": int,
    "session": str,
    "elapsed_s": (int, float),
    "at": str,
    "by": str,
    "kind": str,
    "task": str,
    "tool": str,
    "summary": str,
    "changed_px": int,
    "model_name": str,
    "model_sha256": str,
    "thin": bool,
}
_IDS = ("new_ids", "removed_ids", "changed_ids", "marked_ids")


def encode(record: Record) -> bytes:
    """The record's line."""
    data: dict[str, Any] = {name: getattr(record, name) for name in (*_PLAIN, *_IDS)}
    data |= {name: base64.b64encode(getattr(record, name)).decode() for name in ("pixels", "model_pixels")}
    if record.tissue:
        data["tissue"] = {name: float(share) for name, share in record.tissue.items()}
        data["tissue_doubt"] = record.tissue_doubt
    if record.kind == AREAS:
        data["finished"] = [area.to_json() for area in record.finished]
    data["cells"] = base64.b64encode(_packed_cells(record.features)).decode()
    return line_of(data)


def decode(data: Mapping[str, Any]) -> Record:
    """Check every field of an untrusted record.

    Raises
    ------
    DataError
        Says which field is wrong.
    """
    for name, kind in _PLAIN.items():
        value = data.get(name)
        if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
            raise DataError(f"field {name!r} of a record is missing or of the wrong type")
    if data["kind"] not in KINDS or data["task"] not in INSTANCE_TASKS or not math.isfinite(data["elapsed_s"]):
        raise DataError("a record is of an unknown kind or task")
    fields: dict[str, Any] = {name: data[name] for name in _PLAIN} | {name: _ids(data, name) for name in _IDS}
    return Record(
        **fields,
        features=_unpacked_cells(_bytes(data, "cells")),
        pixels=_bytes(data, "pixels"),
        model_pixels=_bytes(data, "model_pixels"),
        tissue=_tissue(data.get("tissue", {})),
        tissue_doubt=_doubt(data.get("tissue_doubt", "")),
        finished=areas_from_json(data.get("finished"), "a record") if data["kind"] == AREAS else (),
    )


def _tissue(shares: Any) -> Mapping[str, float]:
    """Missing in the records of older journals."""
    if not isinstance(shares, dict) or not all(type(share) in (int, float) for share in shares.values()):
        raise DataError("field 'tissue' of a record must hold numbers")
    return {name: float(share) for name, share in shares.items()}


def _doubt(sentence: Any) -> str:
    if not isinstance(sentence, str):
        raise DataError("field 'tissue_doubt' of a record must be text")
    return sentence


def _ids(data: Mapping[str, Any], name: str) -> tuple[int, ...]:
    values = data.get(name)
    if not isinstance(values, list) or not all(type(value) is int and value > 0 for value in values):
        raise DataError(f"field {name!r} of a record must hold ids")
    return tuple(values)


def _bytes(data: Mapping[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(data[name], validate=True)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"field {name!r} of a record is missing or damaged") from error


def _packed_cells(features: Features) -> bytes:
    if not features:
        return b""
    rows = [[i, {name: _plain(value) for name, value in cells.items()}] for i, cells in features.items()]
    return zlib.compress(json.dumps(rows, separators=(",", ":"), allow_nan=False).encode("ascii"), level=1)


def _plain(value: Any) -> Any:
    """A table cell as JSON: NaN becomes null, numpy numbers become plain ones."""
    if isinstance(value, str):
        return value
    return None if value != value else float(value)


def _unpacked_cells(packed: bytes) -> Features:
    if not packed:
        return {}
    try:
        unpacker = zlib.decompressobj()
        rows = loads(unpacker.decompress(packed, _MAX_CELL_BYTES).decode("utf-8"), "the cells")
        return {_id(i): {name: _cell(name, value) for name, value in cells.items()} for i, cells in rows}
    except (zlib.error, ValueError, TypeError, AttributeError, DataError) as error:
        raise DataError("the table cells of a record are damaged") from error


def _id(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ValueError("not an id")
    return value


def _cell(name: str, value: Any) -> Any:
    if name in ("class_probability", "confidence"):
        if value is not None and not isinstance(value, (int, float)):
            raise ValueError("not a number")
        return math.nan if value is None else float(value)
    if name not in CELLS or not isinstance(value, str):
        raise ValueError("not a cell")
    return value
