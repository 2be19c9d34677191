"""What can be wrong with sidecars and with the manifest of a folder that pairs were exported into."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..layout.ebhi import PairRecord, parse_name
from ..layout.manifest import NAME, SIDECAR_FOLDER, STAGING, live_entries, read_manifest
from ..layout.sidecar import Sidecar, sidecar_paths
from ..layout.sidecar_reading import read_label_planes, sidecar_of
from ..layout.tile_pixels import MASK_THRESHOLD
from ..problems import Problem

_REFUSED = "What of the pair was checked is not known, so nothing is learned from it; export it again."
_USABLE = "The pair's mask can still be used; export it again to mend the sidecar."


def check_sidecar(record: PairRecord, grey: NDArray[np.uint8]) -> tuple[Sidecar | None, list[Problem]]:
    """Whether a pair's sidecar, if it has one, is whole and agrees with the pair.

    Parameters
    ----------
    record : PairRecord
    grey : (H, W) uint8 array
        The pair's mask as stored.
    """
    path, labels_path = sidecar_paths(record.image_path.parent.parent, record.name)
    try:
        sidecar = sidecar_of(record)
    except DataError as error:
        return None, [_damaged(path, str(error), _REFUSED)]
    if sidecar is None:
        return None, []
    try:
        planes = read_label_planes(labels_path, sidecar)
    except DataError as error:
        return None, [_damaged(path, str(error))]
    if (sidecar.category, sidecar.name) != (record.category, record.name):
        return None, [_damaged(path, f"It belongs to {sidecar.category}/{sidecar.name}.")]
    shown = [one.id for one in sidecar.objects if one.in_mask]
    mask = np.isin(planes[sidecar.mask_task], shown) if sidecar.mask_task in planes else None
    if mask is None or not np.array_equal(mask, grey > MASK_THRESHOLD):
        return sidecar, [_edited(record.label_path)]
    return sidecar, []


def check_manifest(root: Path, records: Sequence[PairRecord]) -> Iterator[Problem]:
    """Cut-off exports, lines without files, files without lines, patients who share digits."""
    if (root / STAGING).exists():
        yield Problem(
            kind="export-cut-off",
            path=root / STAGING,
            severity="note",
            what="An export into this folder was cut off.",
            advice="Run 'napari-cerberus pairs repair' on the folder, or export into it again: both finish it.",
        )
    try:
        entries = live_entries(read_manifest(root))
    except DataError as error:
        yield Problem(
            kind="manifest-damaged",
            path=root / NAME,
            severity="note",
            what=str(error),
            advice="The pairs can be used, but exports into this folder need a whole manifest.",
        )
        return
    present = {record.id for record in records}
    for entry in entries:
        if entry.id not in present:
            yield _gone(root / entry.paths["image"])
        elif not (root / entry.paths["sidecar"]).is_file():
            yield _sidecar_gone(root / entry.paths["sidecar"])
    yield from _orphans(root, {entry.id for entry in entries}, records)
    digits: dict[str, set[str]] = defaultdict(set)
    for entry in entries:
        name = parse_name(entry.name)
        digits[name.patient if name else ""].add(entry.patient_id.casefold())
    for patient, ids in sorted(digits.items()):
        if len(ids) > 1:
            yield _shared_digits(root, patient, sorted(ids))


def _orphans(root: Path, known: set[str], records: Sequence[PairRecord]) -> Iterator[Problem]:
    present = {record.id for record in records}
    for path in sorted(root.glob(f"*/{SIDECAR_FOLDER}/*.json")):
        pair_id = f"{path.parent.parent.name}/{path.stem}"
        if pair_id not in present:
            yield Problem(
                kind="orphan-sidecar",
                path=path,
                severity="note",
                what="This sidecar has no pair.",
                advice="Remove it together with its label file, or bring its image and label back.",
            )
        elif pair_id not in known:
            yield Problem(
                kind="not-in-manifest",
                path=path,
                severity="note",
                what=f"This exported pair has no line in {NAME}.",
                advice="It was copied here, or its export was cut off; it can be used, but will not be recognised.",
            )


def _damaged(path: Path, what: str, advice: str = _USABLE) -> Problem:
    return Problem(kind="sidecar-damaged", path=path, severity="note", what=what, advice=advice)


def _edited(path: Path) -> Problem:
    return Problem(
        kind="mask-edited",
        path=path,
        severity="note",
        what="The mask is not the one that was exported: its sidecar shows other objects.",
        advice="Correct the annotation and export it again if the sidecar's objects are to be used.",
    )


def _sidecar_gone(path: Path) -> Problem:
    return Problem(
        kind="sidecar-gone",
        path=path,
        severity="note",
        what="The sidecar of this exported pair is gone; what of it was checked is not known, so nothing is learned.",
        advice="Bring the sidecar back, or export the pair again.",
    )


def _gone(path: Path) -> Problem:
    return Problem(
        kind="pair-removed",
        path=path,
        severity="note",
        what=f"This pair stands in {NAME}, but its image or label is gone.",
        advice="Nothing needs to be done if it was removed on purpose.",
    )


def _shared_digits(root: Path, patient: str, ids: Sequence[str]) -> Problem:
    return Problem(
        kind="patients-share-digits",
        path=root / NAME,
        severity="note",
        what=f"Patients {', '.join(map(repr, ids))} are all called {patient} in file names, so they count as one.",
        advice="Export one of them again under another id if they are different people.",
    )
