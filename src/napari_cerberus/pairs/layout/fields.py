"""Fields of a JSON object from outside, checked one by one; every complaint names the file and the field."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, NoReturn

from ...errors import DataError

MAX_TEXT = 4096


class Fields:
    """A JSON object whose fields are taken with their types checked.

    Parameters
    ----------
    content : dict
    source : str
        File, and place in it, for the messages.
    """

    def __init__(self, content: object, source: str) -> None:
        self.source = source
        if not isinstance(content, dict):
            raise DataError(f"{source} must be a JSON object.")
        self._content: dict[str, Any] = content

    def only(self, known: Collection[str]) -> None:
        """Refuse fields that are not known: they may be what a newer version means."""
        unknown = sorted(self._content.keys() - set(known))
        if unknown:
            raise DataError(f"{self.source}: unknown field {unknown[0][:60]!r}.")

    def text(self, name: str, *, empty: bool = False, max_length: int = MAX_TEXT) -> str:
        """A string; empty only where that is allowed."""
        value = self._value(name)
        if not isinstance(value, str) or len(value) > max_length or not (value or empty):
            self._wrong(name, "a text" if empty else "a text that is not empty")
        return value

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._content.get(name) is not None

    def value(self, name: str) -> Any:
        """Whatever the field holds. Raises ``DataError`` if it is missing."""
        return self._value(name)

    def text_or(self, name: str, default: str) -> str:
        """As ``text``, or ``default`` where the field is missing or null."""
        return self.text(name, empty=True) if self.has(name) else default

    def choice(self, name: str, allowed: Collection[str]) -> str:
        """One of some strings."""
        value = self._value(name)
        if not isinstance(value, str) or value not in allowed:
            self._wrong(name, f"one of {', '.join(allowed)}")
        return value

    def sha256(self, name: str, *, empty: bool = False) -> str:
        """64 lower-case hex digits."""
        value = self.text(name, empty=empty, max_length=64)
        if value and (len(value) != 64 or not set(value) <= set("0123456789abcdef")):
            self._wrong(name, "a SHA-256 in 64 hex digits")
        return value

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self._value(name)
        if not isinstance(value, bool):
            self._wrong(name, "true or false")
        return value

    def whole(self, name: str, low: int = 0, high: int = 2**53) -> int:
        """A whole number from ``low`` to ``high``."""
        value = self._value(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self._wrong(name, f"a whole number from {low} to {high}")
        return value

    def number(self, name: str, low: float = 0.0, high: float = math.inf) -> float:
        """A finite number from ``low`` to ``high``."""
        value = self._value(name)
        if not _is_number(value) or not low <= value <= high:
            self._wrong(name, f"a number from {low} to {high}")
        return float(value)

    def number_or_none(self, name: str, low: float = 0.0, high: float = math.inf) -> float | None:
        """As ``number``, or None where the field is null."""
        return None if self._value(name) is None else self.number(name, low, high)

    def numbers(self, name: str, length: int) -> tuple[float, ...]:
        """A list of so many finite numbers."""
        value = self._value(name)
        if not isinstance(value, list) or len(value) != length or not all(map(_is_number, value)):
            self._wrong(name, f"a list of {length} numbers")
        return tuple(float(one) for one in value)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        value = self._value(name)
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            self._wrong(name, "a list of texts")
        return tuple(value)

    def objects(self, name: str) -> list[Fields]:
        """A list of JSON objects."""
        value = self._value(name)
        if not isinstance(value, list):
            self._wrong(name, "a list")
        return [Fields(one, f"{self.source}: {name}[{index}]") for index, one in enumerate(value)]

    def inner(self, name: str) -> Fields:
        """A JSON object."""
        return Fields(self._value(name), f"{self.source}: {name}")

    def inner_or_none(self, name: str) -> Fields | None:
        """A JSON object, or None where the field is null."""
        return None if self._value(name) is None else self.inner(name)

    def mapping_of_numbers(self, name: str) -> dict[str, float]:
        """A JSON object whose values are finite numbers."""
        value = self._value(name)
        if not isinstance(value, dict) or not all(map(_is_number, value.values())):
            self._wrong(name, "an object of numbers")
        return {key: float(number) for key, number in value.items()}

    def mapping_of_texts(self, name: str) -> dict[str, str]:
        """A JSON object whose values are strings."""
        value = self._value(name)
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            self._wrong(name, "an object of texts")
        return dict(value)

    def _value(self, name: str) -> Any:
        if name not in self._content:
            raise DataError(f"{self.source}: field {name!r} is missing.")
        return self._content[name]

    def _wrong(self, name: str, wanted: str) -> NoReturn:
        shown = repr(self._content[name])
        raise DataError(f"{self.source}: {name} must be {wanted}, not {shown[:60]}.")


def _is_number(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
