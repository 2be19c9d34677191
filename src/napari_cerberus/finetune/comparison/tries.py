"""How often models were compared on the same held-out patients: the more often, the sooner one is better by luck."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ...errors import DataError
from ...files import folders_in
from .comparison_record import comparison_path, read_comparison

SAME_SHARE = 0.5
"""Share of the held-out patients that an earlier comparison must have had, too, to count as one on the same."""


def tries_on(patients: Collection[str], run_folder: Path) -> int:
    """Which comparison on these patients the one of ``run_folder`` is, among the runs beside it; at least 1.

    Parameters
    ----------
    patients : collection of str
        Held out, without their source.
    run_folder : Path
        Its own older comparison is made anew and does not count.
    """
    mine = frozenset(patients)
    others = [folder for folder in folders_in(run_folder.absolute().parent) if folder.name != run_folder.name]
    return 1 + sum(len(mine & _held_out(folder)) >= SAME_SHARE * len(mine) > 0 for folder in others)


def _held_out(run_folder: Path) -> frozenset[str]:
    if not comparison_path(run_folder).is_file():
        return frozenset()
    try:
        return frozenset(read_comparison(run_folder).held_out)
    except DataError:  # damaged, or of another version: nobody can tell
        return frozenset()
