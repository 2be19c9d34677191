"""One schema a format: a file that we write or read is a ``FileSchema``, and whatever is wrong with it is one sentence.

::

    class RunRecord(FileSchema):
        format: Literal["napari-cerberus run"] = "napari-cerberus run"
        format_version: Literal[1] = 1
        name: ShortText
        share: Share

    record = read(RunRecord, path)               # DataError: "run.json: 'share' must be at most 1, not 7; correct ..."
    path.write_bytes(to_bytes(record))

Values are read strictly, as JSON means them: a number is no text, 1 is no ``true``, 1.5 is no whole number, and a field
that no schema knows is refused. A dataclass may stand as a field; what its ``__post_init__`` refuses is said as it is.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, time
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails, PydanticSerializationError, to_json

from .errors import CerberusError, DataError

__all__ = [
    "Count",
    "FileSchema",
    "HexDigest",
    "LongText",
    "Schema",
    "Share",
    "ShortText",
    "UtcTime",
    "check",
    "parse",
    "read",
    "read_toml",
    "to_bytes",
]

MAX_BYTES = 16 << 20
"""Largest file that is read where the caller names no other limit."""

_HEX_DIGITS = 64

ShortText = Annotated[str, StringConstraints(max_length=300)]
"""A name or a word."""
LongText = Annotated[str, StringConstraints(max_length=20_000)]
"""Sentences, or a path."""


def _hex_digest(text: str) -> str:
    if text and (len(text) != _HEX_DIGITS or set(text) - set("0123456789abcdef")):
        raise ValueError(f"must be {_HEX_DIGITS} hexadecimal digits")
    return text


HexDigest = Annotated[str, AfterValidator(_hex_digest)]
"""A SHA-256 in hex; empty where there is none."""
UtcTime = Annotated[str, StringConstraints(max_length=40)]
"""As ISO 8601, written by a program for people; empty where there is none."""
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0, le=2**53)]

_FORMAT, _VERSION = "format", "format_version"
_REMEDY = "correct the file, or take an undamaged copy"
_LONGEST_VALUE = 60

_KINDS: Mapping[str, str] = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "dict": "a mapping of names to values",
    "model": "a mapping of names to values",
    "dataclass": "a mapping of names to values",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozen_set": "a list",
    "datetime": "a time",
    "none_required": "empty (null)",
}
"""What must stand there, by the first word of pydantic's error types ``*_type``, ``*_parsing``, ``*_from_float``."""

_LIMITS: Mapping[str, str] = {
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "finite_number": "must be a finite number",
    "string_too_short": "must have at least {min_length} letters",
    "string_too_long": "must have at most {max_length} letters",
    "string_pattern_mismatch": "must look like {pattern}",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
}


class Schema(BaseModel):
    """A part of a file: frozen, strict, without foreign fields, NaN or infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class FileSchema(Schema):
    """A whole file. ``format`` and ``format_version`` are literals with their only value as default; both must be said.

    A file without one of the two is a ``FileSchema`` that does not declare it.
    """


T = TypeVar("T", bound=Schema)


def read(schema: type[T], path: Path, *, max_bytes: int = MAX_BYTES, error: type[CerberusError] = DataError) -> T:
    """Read a JSON file.

    Parameters
    ----------
    schema : type of Schema
    path : Path
    max_bytes : int
        A larger file is refused before it is read.
    error : type of CerberusError
        Raised for what the file holds.

    Raises
    ------
    DataError
        If the file is missing, unreadable or too large.
    CerberusError
        ``error``: of another format or version, damaged, or with a field that is wrong or unknown.
    """
    return parse(schema, _content(path, max_bytes), str(path), error=error)


def read_toml(schema: type[T], path: Path, *, max_bytes: int = MAX_BYTES, error: type[CerberusError] = DataError) -> T:
    """Read a TOML file. Raises as ``read``."""
    try:
        data = tomllib.loads(_content(path, max_bytes).decode("utf-8"))
    except (ValueError, RecursionError) as cause:
        raise error(f"{path} is not a TOML file, or a damaged one: {cause}.") from cause
    return check(schema, data, str(path), error=error)


def parse(schema: type[T], content: bytes | str, source: str, *, error: type[CerberusError] = DataError) -> T:
    """JSON text as a value. Raises ``error``, which begins with ``source``."""
    try:
        value = schema.model_validate_json(content)
    except ValidationError as refused:
        raise error(_sentence(schema, _loaded(content), refused, source)) from refused
    except CerberusError as refused:  # of a dataclass among the fields
        raise error(f"{source}: {str(refused).rstrip('.')}; {_REMEDY}.") from refused
    if silent := [name for name in _marks(schema) if name not in value.model_fields_set]:
        raise error(_foreign(schema, silent[0], None, source))
    return value


def check(schema: type[T], data: object, source: str, *, error: type[CerberusError] = DataError) -> T:
    """A value of plain JSON types, as ``json`` and ``tomllib`` give it. Raises as ``parse``; also for TOML's dates."""
    try:
        if place := next(_times(data), None):
            raise error(f"{source}: field {_place(place)} must be text, not a date; put it in quotes.")
        return parse(schema, to_json(data, inf_nan_mode="constants"), source, error=error)
    except (PydanticSerializationError, RecursionError) as cause:
        raise error(f"{source} holds a value that no file can hold: {cause}.") from cause


def to_bytes(value: Schema, *, indent: int | None = 2, error: type[CerberusError] = DataError) -> bytes:
    """UTF-8 JSON text of a value, with a line feed at its end.

    Raises
    ------
    CerberusError
        ``error``: if a text is not Unicode, as the name of a file may be.
    """
    try:
        return value.model_dump_json(indent=indent).encode() + b"\n"
    except (PydanticSerializationError, UnicodeEncodeError) as cause:
        raise error(f"A field cannot be written as text: {cause}.") from cause


def _content(path: Path, max_bytes: int) -> bytes:
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise DataError(
                f"{path} is too large: {size / 2**20:.0f} MB, but at most {max_bytes / 2**20:.0f} MB are read."
            )
        return path.read_bytes()
    except OSError as cause:
        raise DataError(f"{path} cannot be read: {cause.strerror or cause}.") from cause


def _loaded(content: bytes | str) -> object:
    """What the text holds as far as it can be parsed; for the sentence only."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _times(value: object, place: tuple[int | str, ...] = ()) -> Iterator[tuple[int | str, ...]]:
    """Where TOML's dates and times stand; as JSON they would pass for text."""
    if isinstance(value, (date, time)):
        yield place
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from _times(part, (*place, str(name)))
    elif isinstance(value, (list, tuple)):
        for number, part in enumerate(value):
            yield from _times(part, (*place, number))


def _marks(schema: type[Schema]) -> list[str]:
    return [name for name in (_FORMAT, _VERSION) if name in schema.model_fields]


def _sentence(schema: type[Schema], data: object, refused: ValidationError, source: str) -> str:
    """The one sentence: a foreign format first, then a foreign version, an unknown field, and what is wrong first."""
    details = refused.errors(include_url=False)
    if details[0]["type"] == "json_invalid":
        reason = (details[0].get("ctx") or {}).get("error", "it cannot be parsed")
        return f"{source} is not a JSON file, or a damaged one: {reason}."
    if not isinstance(data, dict):
        return f"{source} holds no JSON object."
    for name in _marks(schema):
        if data.get(name) != schema.model_fields[name].default:
            return _foreign(schema, name, data.get(name), source)
    unknown = next((one for one in details if one["type"] in ("extra_forbidden", "unexpected_keyword_argument")), None)
    if unknown is not None:
        return f"{source}: field {_place(unknown['loc'])} is not known; remove it, or update napari-cerberus."
    return f"{source}: {_wrong(details[0])}"


def _foreign(schema: type[Schema], name: str, found: object, source: str) -> str:
    wanted = schema.model_fields[name].default
    if name == _FORMAT:
        return f"{source} is not a file of the kind “{wanted}”; choose another one."
    told = "no version" if found is None else f"version {_shown(found)}"
    return f"{source} says {told}, but this napari-cerberus reads version {wanted}; update it, or write the file again."


def _wrong(detail: ErrorDetails) -> str:
    place, kind, context = _place(detail["loc"]), detail["type"], detail.get("ctx") or {}
    if kind == "missing":
        return f"field {place} is missing; {_REMEDY}."
    if kind in ("value_error", "assertion_error"):  # a sentence of ours, with what to do
        reason = str(context.get("error", detail["msg"])).rstrip(".")
        return f"{f'field {place}: ' if detail['loc'] else ''}{reason}; {_REMEDY}."
    return f"field {place} {_rule(kind, context, detail['msg'])}, not {_shown(detail['input'])}; {_REMEDY}."


def _rule(kind: str, context: Mapping[str, Any], message: str) -> str:
    if kind in _LIMITS:
        return _LIMITS[kind].format(**context)
    words = next((words for start, words in _KINDS.items() if kind.startswith(start)), "")
    return f"must be {words}" if words else f"is wrong ({message[:1].lower()}{message[1:]})"


def _place(location: Sequence[int | str]) -> str:
    """``tissue.tumour`` or ``regions[2].name``, in quotes."""
    text = ""
    for part in (part for part in location if part != "[key]"):  # of a mapping: its name says it already
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return repr(text[: 2 * _LONGEST_VALUE])


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
