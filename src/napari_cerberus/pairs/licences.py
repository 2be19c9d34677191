"""Whose data a folder holds and what their licences allow: ``licences.json`` in the folder, and in the model's card."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..decode_errors import reason_of
from ..errors import DataError
from ..files import write_text
from ..strict_json import read_json

LICENCE_FILE = "licences.json"
_MAX_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Licence:
    """Of one data set.

    Attributes
    ----------
    title, cite, licence : str
    weights_may_be_shared : bool
        False: weights that learned from it stay with whoever trained them.
    """

    title: str
    cite: str
    licence: str
    weights_may_be_shared: bool

    @property
    def sentence(self) -> str:
        """For the card and the terminal."""
        end = "" if self.weights_may_be_shared else " Do not hand on weights that learned from it."
        return f"{self.title}: {self.licence}; cite {self.cite}.{end}"


def read_licences(folder: Path) -> dict[str, Licence]:
    """Licences of the sets in a data folder, by key; none where there is no file.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    path = folder / LICENCE_FILE
    if not path.is_file():
        return {}
    data: Any = read_json(path, max_bytes=_MAX_BYTES)
    try:
        return {str(key): _licence(one) for key, one in data.items()}
    except (TypeError, AttributeError, KeyError) as error:
        raise DataError(f"{path} is damaged ({reason_of(error)}); import the set again.") from error


def add_licence(folder: Path, key: str, licence: Licence) -> None:
    """Write, or add to, the folder's file."""
    known = {**read_licences(folder), key: licence}
    text = json.dumps({name: asdict(one) for name, one in sorted(known.items())}, indent=1, ensure_ascii=False)
    write_text(folder / LICENCE_FILE, text + "\n")


def licences_of(folders: Iterable[Path]) -> dict[str, Any]:
    """Of all folders that a training reads, as plain JSON types."""
    return {key: asdict(one) for folder in folders for key, one in read_licences(folder).items()}


def licence_lines(recorded: Any) -> list[str]:
    """Sentences for a card from what ``licences_of`` gave; none where nothing was recorded."""
    return [_licence(one).sentence for one in recorded.values()] if isinstance(recorded, dict) else []


def _licence(data: Any) -> Licence:
    texts = {name: data[name] for name in ("title", "cite", "licence")}
    if not all(isinstance(text, str) for text in texts.values()) or not isinstance(data["weights_may_be_shared"], bool):
        raise TypeError("a field has the wrong type")
    return Licence(**texts, weights_may_be_shared=data["weights_may_be_shared"])
