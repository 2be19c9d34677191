"""What a data check finds: one ``Problem`` for each file, with what it means for the run and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Severity = Literal["note", "skipped", "stops"]
SEVERITIES: tuple[Severity, ...] = ("note", "skipped", "stops")
"""In rising order: worth knowing; this file is left out; training or evaluation cannot start."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One finding about one file or folder.

    Attributes
    ----------
    kind : str
        Short machine name ("no-label", "empty-mask"): what tests and filters go by.
    path : Path
        The file or folder it is about.
    severity : {"note", "skipped", "stops"}
        See ``SEVERITIES``.
    what : str
        One sentence on what is wrong, without the path.
    advice : str
        One sentence on what to do.
    """

    kind: str
    path: Path
    severity: Severity
    what: str
    advice: str

    def __str__(self) -> str:
        """``path: what advice``, one line for a terminal or a log."""
        return f"{self.path}: {self.what} {self.advice}"
