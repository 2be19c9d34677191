"""A model of the library as one line of a list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...model.library.entries import ModelEntry
from ...model.library.lineage import made_at, parent_of
from ...model.library.manage import ModelRecord
from ...model.spec import CARD_FILE

_DATE = len("2026-11-25")
_DASH = "–"


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What is known without reading weights.

    Attributes
    ----------
    entry : ModelEntry
    record : ModelRecord
        The user's notes and the comparison's verdict.
    promoted : bool
        Annotate uses it unless another is chosen.
    """

    entry: ModelEntry
    record: ModelRecord
    promoted: bool

    @property
    def name(self) -> str:
        """Unique in the library."""
        return self.entry.name

    @property
    def shipped(self) -> bool:
        """It came with the program, so it is neither renamed nor deleted."""
        return self.entry.shipped

    @property
    def parent(self) -> str:
        """The model it was fine-tuned from."""
        if self.shipped:
            return "came with the program"
        return parent_of(self.entry).partition(" (")[0]

    @property
    def made(self) -> str:
        """Its date."""
        return made_at(self.entry)[:_DATE]

    @property
    def learnt_from(self) -> str:
        """ "28 tiles, 8 patients"."""
        said = self.entry.spec.provenance
        parts = [f"{said[key]['train']:,} {key}" for key in ("tiles", "patients") if _has_count(said, key)]
        return ", ".join(parts) or _DASH

    @property
    def metrics(self) -> str:
        """ "glands 0.92, nuclei 0.67": Dice on the validation tiles that chose its weights."""
        validation = self.entry.spec.provenance.get("validation")
        dice = validation.get("dice") if isinstance(validation, Mapping) else None
        known = dice.items() if isinstance(dice, Mapping) else ()
        return ", ".join(f"{task} {value:.2f}" for task, value in known if isinstance(value, float)) or _DASH

    @property
    def card(self) -> str:
        """Its model card; empty where it came without one."""
        path = self.entry.path / CARD_FILE
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _has_count(said: Mapping[str, Any], key: str) -> bool:
    value = said.get(key)
    return isinstance(value, Mapping) and isinstance(value.get("train"), int)
