"""The features of a GeoJSON file one after the other, so that memory does not grow with the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from ..decode_errors import reason_of
from ..errors import DataError
from ..strict_json import PARSERS_WITH_NAN

_CHUNK = 1 << 20
MAX_CHARACTERS = 256 << 20
"""Longest feature, or anything else outside the list of features, that is read."""
_COLLECTION, _FEATURES = "FeatureCollection", "features"
_SPACE = " \t\n\r"


def read_features(path: Path) -> Iterator[Any]:
    """What a FeatureCollection, a list of features, one feature or a bare geometry holds; not checked.

    Raises
    ------
    DataError
        While it goes: the file cannot be read, is not UTF-8, not JSON, nested too deep, or a feature is too long.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            yield from _values(_Text(stream))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a JSON file: it is not UTF-8 text.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not a JSON file, or a damaged one: {reason_of(error)}.") from error


class _Text:
    """JSON text that is read as it is needed."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._held, self._place, self._ended = stream, "", 0, False
        self._decoder = json.JSONDecoder(**PARSERS_WITH_NAN)

    def peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            while self._place < len(self._held):
                if self._held[self._place] not in _SPACE:
                    return self._held[self._place]
                self._place += 1
            if not self._more():
                return ""

    def take(self, wanted: str) -> None:
        """Go past a character."""
        if self.peek() != wanted:
            raise ValueError(f"{wanted!r} is missing")
        self._place += 1

    def value(self) -> Any:
        """The next value as a whole."""
        self.peek()
        while True:
            try:
                found, end = self._decoder.raw_decode(self._held, self._place)
            except json.JSONDecodeError:
                if not self._more():
                    raise
                continue
            if end == len(self._held) and self._more():  # of a number there may be more
                continue
            self._place = end
            return found

    def _more(self) -> bool:
        """Read on, at least as much as is waiting, so that a long value is not tried again and again."""
        if self._ended:
            return False
        self._held, self._place = self._held[self._place :], 0
        if len(self._held) > MAX_CHARACTERS:
            raise ValueError(f"an object is longer than {MAX_CHARACTERS >> 20} million characters")
        read = self._stream.read(max(_CHUNK, len(self._held)))
        self._held += read
        self._ended = not read
        return not self._ended


def _values(text: _Text) -> Iterator[Any]:
    first = text.peek()
    if first == "[":
        yield from _items(text)
    elif first == "{":
        yield from _object(text)
    else:
        yield text.value()
    if text.peek():
        raise ValueError("there is more after its end")


def _items(text: _Text) -> Iterator[Any]:
    text.take("[")
    if text.peek() != "]":
        yield text.value()
        while text.peek() == ",":
            text.take(",")
            yield text.value()
    text.take("]")


def _object(text: _Text) -> Iterator[Any]:
    """The features of a collection as they come; anything else as it is, at its end."""
    rest: dict[str, Any] = {}
    streamed = False
    text.take("{")
    while text.peek() != "}":
        key = text.value()
        if not isinstance(key, str):
            raise ValueError("a key is no text")
        text.take(":")
        if key == _FEATURES and text.peek() == "[":
            streamed = True
            yield from _items(text)
        else:
            rest[key] = text.value()
        if text.peek() != "}":
            text.take(",")
            if text.peek() == "}":
                raise ValueError("a key is missing")
    text.take("}")
    if not streamed:
        yield rest.get(_FEATURES) if rest.get("type") == _COLLECTION else rest
