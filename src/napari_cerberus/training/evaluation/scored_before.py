"""How often test patients were scored on this computer: the more often, the sooner one figure is good by luck.

One line an evaluation of a test side, in a file beside the library of models: a hash of what was evaluated, and hashes
of its patients. Nothing else is kept.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from ...errors import DataError
from ...model.library.entries import library_folder
from ...strict_json import loads

LEDGER_VARIABLE = "NAPARI_CERBERUS_TEST_LEDGER"
LEDGER_FILE = "scored_on_test.jsonl"
SAME_SHARE = 0.5
"""Share of the patients that another evaluation must have had, too, to count as one on the same."""
_MAX_BYTES = 64 << 20


def ledger_path() -> Path:
    """The file on this computer: ``NAPARI_CERBERUS_TEST_LEDGER``, else beside the library of models."""
    chosen = os.environ.get(LEDGER_VARIABLE)
    return Path(chosen) if chosen else library_folder().parent / LEDGER_FILE


def times_scored(identity: Mapping[str, Any], patients: Collection[str]) -> str:
    """Note this evaluation, and say how often these test patients were scored before.

    Parameters
    ----------
    identity : mapping
        What is evaluated; the same again is not counted again.
    patients : collection of str

    Returns
    -------
    str
        One sentence.
    """
    mine, hashes = _hash(json.dumps(identity, sort_keys=True, default=str)), frozenset(map(_hash, patients))
    known = dict(_lines())
    others = [key for key, seen in known.items() if key != mine and len(hashes & seen) >= SAME_SHARE * len(hashes) > 0]
    number = len(others) + 1
    try:
        if mine not in known:
            ledger_path().parent.mkdir(parents=True, exist_ok=True)
            with ledger_path().open("a", encoding="ascii") as stream:
                stream.write(json.dumps({"what": mine, "patients": sorted(hashes)}) + "\n")
    except OSError as error:
        return f"How often these test patients were scored is not counted: {error.strerror or error}."
    if number == 1:
        return "Scored on these test patients for the first time on this computer."
    return (
        f"Scored on these test patients {number} times on this computer, each time another model or other settings: "
        "the more are tried on them, the sooner one looks good by luck."
    )


def _lines() -> Iterator[tuple[str, frozenset[str]]]:
    path = ledger_path()
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path.stat().st_size <= _MAX_BYTES else ""
    except OSError:
        return
    for line in text.splitlines():
        try:
            one = loads(line, str(path))
            yield str(one["what"]), frozenset(map(str, one["patients"]))
        except (DataError, TypeError, LookupError):  # cut off, or written by hand
            continue


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
