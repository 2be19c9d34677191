"""The data check before training and behind ``pairs check``: every problem with its file and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ...errors import DataError
from ...progress import Job, Progress
from ..layout.ebhi import PairRecord, index_tree
from ..layout.folders import listing
from ..layout.instances import InstanceRecord, TileRecord, index_class_folders, index_instances
from ..layout.tile_pixels import MASK_THRESHOLD
from ..problems import SEVERITIES, Problem, Severity
from ..split import Split
from ..words import counted
from .set_checks import check_duplicates, check_groups, check_same_field, check_split
from .sidecar_checks import check_manifest
from .tile_reading import Look, look_at_instances, look_at_pair, look_at_tile

Layout = Literal["ebhi", "instances", "tiles"]
AnyRecord = PairRecord | InstanceRecord | TileRecord


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """What the check found.

    Attributes
    ----------
    root : Path
    layout : {"ebhi", "instances", "tiles"}
    records : tuple of records
        The usable tiles, sorted by id.
    problems : tuple of Problem
        The worst first, then by file.
    looks : mapping of id to Look
        What was seen of the usable tiles, so that nobody needs to open them again.
    """

    root: Path
    layout: Layout
    records: tuple[AnyRecord, ...]
    problems: tuple[Problem, ...]
    looks: Mapping[str, Look] = field(default_factory=dict, repr=False)

    @property
    def stops(self) -> bool:
        """Whether training or evaluation must not start."""
        return any(problem.severity == "stops" for problem in self.problems)

    @property
    def counts(self) -> dict[str, int]:
        """Usable tiles by category."""
        return dict(sorted(Counter(record.stratum for record in self.records).items()))

    @property
    def patients(self) -> int:
        """Number of patients among the usable tiles."""
        return len({record.patient for record in self.records})

    def of(self, severity: Severity) -> list[Problem]:
        """Problems of one severity."""
        return [problem for problem in self.problems if problem.severity == severity]

    @property
    def summary(self) -> str:
        """One sentence for the user."""
        return (
            f"{counted(len(self.records), 'usable tile')} of {counted(self.patients, 'patient')} in "
            f"{counted(len(self.counts), 'category', 'categories')}; "
            f"{counted(len(self.of('stops')), 'problem')} that stop, {len(self.of('skipped'))} skipped, "
            f"{counted(len(self.of('note')), 'note')}."
        )


def detect_layout(root: Path) -> Layout:
    """Which kind of data set a folder is. Raises ``DataError`` if it is none that can be read."""
    with listing(root):
        if not root.is_dir():
            raise DataError(f"{root} is not a folder.")
        if (root / "images").is_dir() and (root / "labels").is_dir():
            return "instances"
        entries = [entry for entry in root.iterdir() if entry.is_dir()]
        if any((entry / part).is_dir() for entry in (root, *entries) for part in ("image", "label")):
            return "ebhi"
        return "tiles"


def check_data(
    root: Path,
    *,
    layout: Layout | None = None,
    split: Split | None = None,
    split_path: Path | None = None,
) -> Job[CheckReport]:
    """Check a data set: every file is opened once.

    Parameters
    ----------
    root : Path
    layout : {"ebhi", "instances", "tiles"} or None
        None: found out from the folders.
    split : Split or None
        A split to check against the data.
    split_path : Path or None
        Where the split came from, for the messages.

    Yields
    ------
    Progress
        One step a tile.

    Raises
    ------
    DataError
        If ``root`` is no data set at all.
    """
    chosen = layout or detect_layout(root)
    listed, problems = _listed(root, chosen)
    looks: list[Look] = []
    for done, record in enumerate(listed):
        yield Progress("Checking tiles", done, len(listed))
        looks.append(_look_at(record))
    seen = list(zip(listed, looks, strict=True))
    usable = [record for record, look in seen if look.usable]
    looks_of = {record.id: look for record, look in seen if look.usable}
    problems += [problem for look in looks for problem in look.problems]
    problems += _odd_sizes(seen)
    problems += _soft_edges(seen)
    problems += _unknown_patients(root, usable)
    problems += _nobody_checked(root, [look for look in looks if look.usable])
    if chosen == "ebhi":
        problems += check_manifest(root, [record for record in listed if isinstance(record, PairRecord)])
    problems += check_groups(root, usable)
    problems += check_duplicates(usable, [look.image_print for look in looks if look.usable and look.image_print])
    problems += check_same_field(usable, [look.field_print for look in looks if look.usable and look.field_print])
    if split is not None:
        problems += check_split(split_path or root, split, usable)
    return CheckReport(root=root, layout=chosen, records=tuple(usable), problems=_sorted(problems), looks=looks_of)


def _listed(root: Path, layout: Layout) -> tuple[list[AnyRecord], list[Problem]]:
    index: Callable[[Path], tuple[Sequence[AnyRecord], list[Problem]]]
    if layout == "ebhi":
        index = index_tree
    elif layout == "instances":
        index = index_instances
    else:
        index = index_class_folders
    records, problems = index(root)
    return list(records), problems


def _look_at(record: AnyRecord) -> Look:
    if isinstance(record, PairRecord):
        return look_at_pair(record)
    if isinstance(record, InstanceRecord):
        return look_at_instances(record)
    return look_at_tile(record)


def _unknown_patients(root: Path, records: Sequence[AnyRecord]) -> Iterator[Problem]:
    unknown = sum(not isinstance(record, PairRecord) and not record.patient_known for record in records)
    if unknown:
        yield Problem(
            kind="patients-unknown",
            path=root,
            severity="note",
            what=f"The patient of {unknown} of {len(records)} tiles is not known; each counts as its own.",
            advice="Name the patients in index.csv (columns id and patient), or use these tiles for training only.",
        )


def _nobody_checked(root: Path, looks: Sequence[Look]) -> Iterator[Problem]:
    """Exported pairs whose outlines no person has said to be right: no model learns outlines from them."""
    said = [look.checked for look in looks if look.checked is not None]
    number = said.count(False)
    if not number:
        return
    rest = "so" if number == len(said) else f"of the other {number} nobody has, so from those"
    some = "none" if number == len(said) else f"{len(said) - number}"
    yield Problem(
        kind="nobody-checked",
        path=root,
        severity="note",
        what=f"Of {some} of the {len(said)} exported tiles a person has said that all outlines of a task are right; "
        f"{rest} no outlines are learned.",
        advice="Export them again with what was checked ticked, or with --checked.",
    )


def _odd_sizes(seen: Sequence[tuple[AnyRecord, Look]]) -> Iterator[Problem]:
    """Tiles of another size than most: often a tile that was not cut, or a screenshot."""
    shapes = Counter(look.shape for _, look in seen if look.shape is not None)
    if len(shapes) < 2:
        return
    (usual, _), *_ = sorted(shapes.items(), key=lambda item: (-item[1], item[0]))
    for record, look in seen:
        if look.shape is not None and look.shape != usual:
            yield Problem(
                kind="odd-size",
                path=record.image_path,
                severity="note",
                what=f"The image has {look.shape[1]}×{look.shape[0]} px, most others {usual[1]}×{usual[0]}.",
                advice="Check that it has the same pixel size as the others.",
            )


def _soft_edges(seen: Sequence[tuple[AnyRecord, Look]]) -> Iterator[Problem]:
    """One note a folder: soft edges are the rule in EBHI-SEG, and a line for each mask would hide the rest."""
    folders = Counter(
        record.label_path.parent for record, look in seen if look.soft_edges and isinstance(record, PairRecord)
    )
    for folder, number in sorted(folders.items()):
        yield Problem(
            kind="soft-edges",
            path=folder,
            severity="note",
            what=f"{number} mask(s) have soft grey edges; values above {MASK_THRESHOLD} count as inside.",
            advice="Nothing needs to be done: EBHI-SEG's own masks are like this.",
        )


def _sorted(problems: list[Problem]) -> tuple[Problem, ...]:
    worst_first = sorted(
        problems, key=lambda problem: (-SEVERITIES.index(problem.severity), str(problem.path), problem.kind)
    )
    return tuple(worst_first)
