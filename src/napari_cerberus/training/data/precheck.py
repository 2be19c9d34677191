"""Before a run: every file of its sources is looked at, and its split is searched for leaks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import DataError
from ...files import write_text
from ...pairs.check.data_check import Layout, check_data
from ...pairs.check.leaks import LeakReport, leak_report
from ...pairs.problems import Problem
from ...pairs.split import Split
from ...pairs.words import counted
from ...progress import Job, Progress
from ..config import TrainConfig
from ..process_group import on_rank_zero
from ..run_settings import SourceKind
from .tile_sources import Tile

_SHOWN = 3
_LAYOUTS: dict[SourceKind, Layout] = {
    "ebhi": "ebhi",
    "pairs": "ebhi",
    "instances": "instances",
    "tiles": "tiles",
    "negative": "tiles",
}


@dataclass(frozen=True, kw_only=True)
class CheckedTiles:
    """What was found out about the files of a run by whoever planned it, file for file the same as now.

    Attributes
    ----------
    usable : frozenset of str
        Ids of tiles that can be learned from. No patient and no picture of the same tissue stands on two sides.
    """

    usable: frozenset[str]


def usable_tiles(
    config: TrainConfig, root: Path, tiles: Sequence[Tile], report: Path, checked: CheckedTiles | None = None
) -> Job[list[Tile]]:
    """Check the files of every source; returns the tiles that can be used.

    Parameters
    ----------
    config : TrainConfig
    root : Path
        Folder that source paths start from.
    tiles : sequence of Tile
    report : Path
        Text file that gets every problem, one a line.
    checked : CheckedTiles, optional
        No file is opened where it is given.

    Raises
    ------
    DataError
        If a problem stops the run; names the first ones.
    """
    if checked is not None:
        return [tile for tile in tiles if tile.id in checked.usable]
    usable: set[str] = set()
    problems: list[Problem] = []
    for source in config.sources:
        if source.kind == "painted":  # drawn by this program, with exact labels
            usable |= {tile.id for tile in tiles if tile.id.startswith(f"{source.name}/")}
            continue
        layout = _LAYOUTS[source.kind]
        found = yield from check_data(root / source.path, layout=layout)
        usable |= {f"{source.name}/{record.id}" for record in found.records}
        problems += found.problems
        yield Progress("Checking tiles", message=f"{source.name}: {found.summary}")
    if on_rank_zero():
        write_text(report, "".join(f"{problem.severity}: {problem}\n" for problem in problems))
    if stops := [problem for problem in problems if problem.severity == "stops"]:
        more = f" ({len(stops) - _SHOWN} more in {report})" if len(stops) > _SHOWN else ""
        raise DataError(f"{' '.join(map(str, stops[:_SHOWN]))}{more}")
    return [tile for tile in tiles if tile.id in usable]


def same_names(split: Split, config: TrainConfig, tiles: Sequence[Tile]) -> tuple[str, ...]:
    """A sentence where patients of one name in several sources stand on two sides: they may be one and the same."""
    by_people = {source.name for source in config.sources if source.kind in ("ebhi", "pairs")}
    where: dict[str, set[str]] = defaultdict(set)
    sides = {id_: side for side, ids in split.sides.items() for id_ in ids}
    for tile in tiles:
        source, _, patient = tile.patient.partition(":")
        if source in by_people and tile.id in sides:
            where[patient].add(sides[tile.id])
    both = sorted(patient for patient, found in where.items() if len(found) > 1)
    if not both or split.unit != "patient":
        return ()
    return (
        f"{counted(len(both), 'patient')} of one name stand on two sides, from different sources, for example "
        f"{both[0]!r}; if they are the same people, no figure of this run can be trusted.",
    )


def refuse_leaks(config: TrainConfig, split: Split, tiles: Sequence[Tile]) -> Job[LeakReport]:
    """Search the split for patients and near-duplicate images on two sides.

    Raises
    ------
    DataError
        If it leaks and the config does not allow it by name (``allow_leaks = true``).
    """
    report = yield from leak_report(split, tiles)
    if report.leaks and not config.allow_leaks:
        example = report.patients[0].patient if report.patients else report.duplicates[0].first_id
        raise DataError(f"{report.summary} For example {example!r}. Split by patient, or set allow_leaks = true.")
    yield Progress("Looking for leaks", message=report.summary)
    return report
