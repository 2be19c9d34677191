"""Which model is used by default: the promoted one. Promoting and rolling back are lines in an append-only history.

``promotions.jsonl`` in the library folder holds one JSON object a line. The starter stands at the bottom: whatever
happened, one can go back to it. A model is found again by its SHA-256 after it was renamed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from ...errors import DataError, ModelError, OutputError
from ...strict_json import loads
from .entries import STARTER, ModelEntry, entry_of, library_folder, list_models
from .library_lock import library_lock

HISTORY_FILE = "promotions.jsonl"
Action = Literal["promote", "roll back"]


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """One line of the history.

    Attributes
    ----------
    at : str
        UTC, ISO 8601.
    action : {"promote", "roll back"}
    name, sha256 : str
        The model that is used from then on.
    reason : str
        The verdict it was promoted with; may be empty.
    """

    at: str
    action: Action
    name: str
    sha256: str
    reason: str = ""


def promoted() -> ModelEntry:
    """The model that is used where none is named; the starter where none was promoted or the promoted one is gone.

    Raises
    ------
    ModelError
        If not even the starter is there.
    """
    return promoted_and_note()[0]


def promoted_and_note() -> tuple[ModelEntry, str]:
    """The model in use, and a sentence where it is not the one that was promoted; else ``""``."""
    entries = list_models()
    stack = _stack(promotion_history())
    if stack:
        if found := _find(stack[-1], entries):
            return found, ""
        starter = _starter(entries)
        return starter, (
            f"The promoted model {stack[-1].name!r} is no longer on this computer, or damaged; "
            f"{starter.name!r} is used instead."
        )
    return _starter(entries), ""


def promote(name: str, *, reason: str = "") -> ModelEntry:
    """Use this model from now on.

    Parameters
    ----------
    name : str
    reason : str
        The verdict beside it, for the history.

    Raises
    ------
    ModelError
        If there is no such model, or its files are damaged.
    OutputError
        If the history cannot be written.
    """
    with library_lock():
        entry = entry_of(name)
        if not entry.verify():
            raise ModelError(f"The weights of {name!r} are damaged, so it was not promoted; import the model again.")
        if promoted_and_note() != (entry, ""):
            _append("promote", entry, reason)
    return entry


def roll_back() -> ModelEntry:
    """Use the model that was promoted before the present one; models that are gone are passed over.

    Raises
    ------
    ModelError
        If nothing was promoted.
    OutputError
        If the history cannot be written.
    """
    with library_lock():
        entries = list_models()
        stack = _stack(promotion_history())
        if not stack:
            raise ModelError(f"No model was promoted, so there is nothing to roll back; {STARTER!r} is in use.")
        earlier = [found for one in stack[:-1] if (found := _find(one, entries))]
        entry = earlier[-1] if earlier else _starter(entries)
        _append("roll back", entry, "")
    return entry


def promotion_history() -> tuple[Promotion, ...]:
    """Every line, oldest first; a line that was cut off by a power cut is left out."""
    try:
        text = (library_folder() / HISTORY_FILE).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ModelError(f"{error.filename} cannot be read: {error.strerror or error}.") from error
    return tuple(one for line in text.splitlines() if (one := _read_line(line)) is not None)


def _stack(history: Sequence[Promotion]) -> list[Promotion]:
    """What was promoted and not rolled back, the present one last; the starter below is not in it."""
    stack: list[Promotion] = []
    for one in history:
        if one.action == "promote":
            stack.append(one)
            continue
        while stack:
            stack.pop()
            if stack and stack[-1].sha256 == one.sha256:
                break
    return stack


def _find(one: Promotion, entries: Sequence[ModelEntry]) -> ModelEntry | None:
    same = [entry for entry in entries if entry.sha256 == one.sha256]
    return next((entry for entry in same if entry.name == one.name), same[0] if same else None)


def _starter(entries: Sequence[ModelEntry]) -> ModelEntry:
    found = next((entry for entry in entries if entry.name == STARTER), entries[0] if entries else None)
    if found is None:
        raise ModelError("No model is on this computer; install napari-cerberus again or import a model.")
    return found


def _append(action: Action, entry: ModelEntry, reason: str) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    line = Promotion(at=now, action=action, name=entry.name, sha256=entry.sha256, reason=reason)
    path = library_folder() / HISTORY_FILE
    try:
        with path.open("ab") as stream:
            torn = stream.tell() and _last_byte(path) != b"\n"
            stream.write((b"\n" if torn else b"") + json.dumps(asdict(line), ensure_ascii=False).encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1)


def _read_line(line: str) -> Promotion | None:
    try:
        data = loads(line, HISTORY_FILE)
    except DataError:
        return None
    names = ("at", "action", "name", "sha256", "reason")
    if not isinstance(data, dict) or not all(isinstance(data.get(name), str) for name in names):
        return None
    if data["action"] not in get_args(Action):
        return None
    return Promotion(**{name: data[name] for name in names})
