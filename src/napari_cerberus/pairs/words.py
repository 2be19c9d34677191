"""Small grammar for messages."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 pair``, ``2 pairs``; a plural that is not made with s is given."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
