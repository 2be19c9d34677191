"""What became of a run's model: one word in the run's folder, so that a run is not shown again once it is judged."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from ...files import write_text

_FILE = "decision.txt"


class Decision(StrEnum):
    """The user's word on a new model."""

    PROMOTED = "promoted"
    KEPT = "kept"
    DISCARDED = "discarded"


def decide(run_folder: Path, decision: Decision) -> None:
    """Remember a decision. Raises ``OutputError``."""
    write_text(run_folder / _FILE, f"{decision.value}\n")


def decision_of(run_folder: Path) -> Decision | None:
    """The decision on a run; None where there is none yet."""
    try:
        word = (run_folder / _FILE).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return next((one for one in Decision if one.value == word), None)
