"""Taking care of the user's models: add, rename, notes, verdict, delete. Loads no torch."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

from ...errors import DataError, ModelError, OutputError, SettingsError
from ...files import write_text
from ...strict_json import read_json
from ...whole_folders import atomic_folder
from ..reference_tiles import REFERENCES_FILE
from ..spec import CARD_FILE, SPEC_FILE, WEIGHTS_FILE, load_spec
from .entries import ModelEntry, entry_of, library_folder, list_models
from .library_lock import library_lock
from .promotion import promoted

RECORD_FILE = "library.json"
MODEL_FILES = (SPEC_FILE, WEIGHTS_FILE, CARD_FILE, REFERENCES_FILE, RECORD_FILE)
"""Everything a model folder may hold that is ours."""

MAX_NAME = 80
_MAX_RECORD_BYTES = 1 << 20
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in range(1, 10))}
Result = TypeVar("Result")
_FORBIDDEN = '<>:"/\\|?*'


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """What the library keeps of a model beside its description.

    Attributes
    ----------
    notes : str
        The user's own words.
    verdict, sentence : str
        Of its comparison against the model it came from; empty without one.
    """

    notes: str = ""
    verdict: str = ""
    sentence: str = ""


def read_record(entry: ModelEntry) -> ModelRecord:
    """Notes and verdict of a model; empty where there are none or the file is damaged."""
    path = entry.path / RECORD_FILE
    try:
        data = read_json(path, max_bytes=_MAX_RECORD_BYTES)
    except DataError:
        return ModelRecord()
    known = {name: data.get(name, "") for name in asdict(ModelRecord())} if isinstance(data, dict) else {}
    return ModelRecord(**{name: value for name, value in known.items() if isinstance(value, str)})


def set_notes(name: str, text: str) -> ModelEntry:
    """Keep the user's words about a model. Raises ``ModelError``, ``OutputError``."""
    return _change_record(name, lambda record: replace(record, notes=text.strip()))


def set_verdict(name: str, verdict: str, sentence: str) -> ModelEntry:
    """Keep what the comparison said of a model. Raises ``ModelError``, ``OutputError``."""
    return _change_record(name, lambda record: replace(record, verdict=verdict, sentence=sentence))


def add_model(folder: Path, name: str) -> ModelEntry:
    """Copy one of our model folders into the library under ``name``, or ``name_2`` and so on where that is taken.

    Raises
    ------
    ModelError
        If ``folder`` is no model.
    SettingsError
        If the name cannot be that of a folder.
    OutputError
    """
    load_spec(folder)
    with library_lock():
        free = free_name(checked_name(name))
        with atomic_folder(library_folder() / free, ours=MODEL_FILES) as temporary:
            for file in MODEL_FILES:
                if (folder / file).is_file():
                    shutil.copyfile(folder / file, temporary / file)
            write_name(temporary, free)
    return entry_of(free)


def rename(old: str, new: str) -> ModelEntry:
    """Give a model of the library another name.

    Raises
    ------
    ModelError
        If there is no such model, it came with the program, or the new name is taken.
    SettingsError
        If the name cannot be that of a folder.
    OutputError
    """
    new = checked_name(new)
    with library_lock():
        entry = _own(old, "renamed")
        if new.casefold() != old.casefold() and new.casefold() in _taken():
            raise ModelError(f"There is a model {new!r} already; choose another name.")
        if new != old:
            target = entry.path.with_name(new)
            write_name(entry.path, new)
            _guard(lambda: entry.path.rename(target), entry.path)
    return entry_of(new)


def delete(name: str) -> None:
    """Delete a model of the library for good.

    Raises
    ------
    ModelError
        If there is no such model, it came with the program, or it is the one in use.
    OutputError
    """
    with library_lock():
        entry = _own(name, "deleted")
        if promoted().path == entry.path:
            raise ModelError(f"{name!r} is the promoted model; promote another one or roll back, then delete it.")
        # Moved away in one step, so that nobody ever lists half of it.
        away = _guard(lambda: Path(tempfile.mkdtemp(prefix=".deleted.", dir=entry.path.parent)), entry.path)
        try:
            _guard(lambda: entry.path.rename(away / entry.path.name), entry.path)
        finally:
            shutil.rmtree(away, ignore_errors=True)


def checked_name(name: str) -> str:
    """``name`` without outer blanks.

    Raises
    ------
    SettingsError
        If it is empty, longer than 80 characters, or no name for a folder on every system.
    """
    name = name.strip()
    if not name or len(name) > MAX_NAME:
        raise SettingsError(f"A model's name has 1 to {MAX_NAME} characters.")
    if any(letter in _FORBIDDEN or not letter.isprintable() for letter in name) or name[0] == "." or name[-1] == ".":
        raise SettingsError(f"A model's name must not hold any of {_FORBIDDEN} nor begin or end with a dot: {name!r}.")
    if name.split(".")[0].strip().casefold() in _RESERVED:
        raise SettingsError(f"{name!r} is a reserved name on Windows; choose another one.")
    return name


def free_name(name: str) -> str:
    """``name``, or the first of ``name_2``, ``name_3`` ... that no model and no folder of the library has."""
    taken, number, free = _taken(), 1, name
    while free.casefold() in taken:
        number += 1
        free = f"{name[: MAX_NAME - 6]}_{number}"
    return free


def _taken() -> set[str]:
    """Names in use, without regard to upper and lower case, which some file systems do not tell apart."""
    folder = library_folder()
    there = {path.name.casefold() for path in folder.iterdir()} if folder.is_dir() else set()
    return there | {entry.name.casefold() for entry in list_models()}


def _own(name: str, done: str) -> ModelEntry:
    entry = entry_of(name)
    if entry.shipped:
        raise ModelError(f"{name!r} came with the program and cannot be {done}.")
    return entry


def _change_record(name: str, change: Callable[[ModelRecord], ModelRecord]) -> ModelEntry:
    with library_lock():
        entry = entry_of(name)
        if entry.shipped:
            raise ModelError(f"{name!r} came with the program and takes no notes.")
        record = change(read_record(entry))
        write_text(entry.path / RECORD_FILE, json.dumps(asdict(record), indent=1, ensure_ascii=False) + "\n")
    return entry


def write_name(folder: Path, name: str) -> None:
    """Put the name into the description too: results say which model made them."""
    path = folder / SPEC_FILE
    data = json.loads(path.read_text(encoding="utf-8"))
    write_text(path, json.dumps({**data, "name": name}, indent=2, ensure_ascii=False) + "\n")


def _guard(action: Callable[[], Result], path: Path) -> Result:
    try:
        return action()
    except OSError as error:
        raise OutputError(f"{path} cannot be changed: {error.strerror or error}.") from error
