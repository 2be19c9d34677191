"""JSON from outside, read with suspicion: size limit, one object, one sentence on what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from .decode_errors import reason_of
from .errors import DataError

MAX_BYTES = 1024 * 2**20
"""Largest file that is read; a FeatureCollection of 100,000 nuclei takes about 100 MB."""
_MAX_DIGITS = 300


def read_json(path: Path, *, max_bytes: int | None = None, allow_nan: bool = False) -> Any:
    """Read any JSON value.

    Parameters
    ----------
    path : Path
    max_bytes : int, optional
        None: ``MAX_BYTES``.
    allow_nan : bool
        Take ``NaN`` and ``Infinity``, which are no JSON but which some programs write.

    Raises
    ------
    DataError
        If the file is missing, larger than ``max_bytes``, not UTF-8, not JSON, nested too deep, or holds NaN
        without leave.
    """
    try:
        size, limit = path.stat().st_size, max_bytes or MAX_BYTES
        if size > limit:
            raise DataError(f"{path} is too large: {size / 2**20:.0f} MB, but at most {limit / 2**20:.0f} MB are read.")
        return loads(path.read_text(encoding="utf-8"), str(path), allow_nan=allow_nan)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a JSON file: it is not UTF-8 text.") from error


def read_object(path: Path, *, max_bytes: int | None = None) -> dict[str, Any]:
    """Read a JSON object. Raises ``DataError`` as ``read_json``, and where the value is not an object."""
    content = read_json(path, max_bytes=max_bytes)
    if not isinstance(content, dict):
        raise DataError(f"{path} holds no JSON object.")
    return content


def loads(text: str, source: str, *, allow_nan: bool = False) -> Any:
    """Parse JSON text that came from ``source``. Raises ``DataError``."""
    try:
        return json.loads(
            text,
            parse_int=_whole_or_infinite if allow_nan else _whole,
            parse_constant=float if allow_nan else _refuse_constant,
        )
    except (ValueError, RecursionError) as error:
        raise DataError(f"{source} is not a JSON file, or a damaged one: {reason_of(error)}.") from error


def _whole(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:  # no float holds it, and what reckons with it fails far from here
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _whole_or_infinite(digits: str) -> float:
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


PARSERS_WITH_NAN: dict[str, Any] = {"parse_int": _whole_or_infinite, "parse_constant": float}
"""For a ``json.JSONDecoder`` that takes NaN, as ``read_json`` with leave does."""
