"""Two models side by side: where they come from, what they learnt from, how good they were said to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..ancestry import ancestor_patients, silent_ancestor
from ..spec import WEIGHTS_FILE, ModelSpec
from .entries import ModelEntry
from .manage import read_record

_DASH = "–"
_SHORT_HASH = 12
_MAX_SETTINGS = 40


@dataclass(frozen=True, kw_only=True)
class CompareRow:
    """One line: what it is about, and what each model says of it ("–" where nothing is known)."""

    heading: str
    left: str
    right: str

    @property
    def differs(self) -> bool:
        """True where the two are not alike."""
        return self.left != self.right


def side_by_side(left: ModelEntry, right: ModelEntry) -> tuple[CompareRow, ...]:
    """Name, parent, date, data, patients, settings, figures, verdict and notes of two models."""
    first, second = dict(_facts(left)), dict(_facts(right))
    headings = dict.fromkeys([*first, *second])
    return tuple(CompareRow(heading=one, left=first.get(one, _DASH), right=second.get(one, _DASH)) for one in headings)


def parent_of(entry: ModelEntry) -> str:
    """Name and short SHA-256 of the model it was trained from; "–" where there was none."""
    base = _finetune(entry.spec.provenance).get("parent") or entry.spec.provenance.get("started_from")
    if not isinstance(base, Mapping):
        return _DASH
    sha256 = str(base.get("sha256") or "")
    return f"{base.get('name', '?')} ({sha256[:_SHORT_HASH]}…)" if sha256 else str(base.get("name", "?"))


def made_at(entry: ModelEntry) -> str:
    """When it was made: what its record says, else the date of its weights file; "–" where nobody knows.

    Files of a shipped model have the date of the installation, which says nothing.
    """
    stated = _finetune(entry.spec.provenance).get("date") or entry.spec.provenance.get("made_at")
    if isinstance(stated, str) and stated:
        return stated
    if entry.shipped:
        return _DASH
    try:
        seconds = (entry.path / WEIGHTS_FILE).stat().st_mtime
    except OSError:
        return _DASH
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="minutes")


def _facts(entry: ModelEntry) -> Iterator[tuple[str, str]]:
    spec, record, kept = entry.spec, entry.spec.provenance, read_record(entry)
    yield "Name", entry.name
    yield "Parent", parent_of(entry)
    yield "Made", made_at(entry)
    yield "Predicts", ", ".join(task.key for task in spec.tasks)
    if spec.tissue_classes:
        yield "Tissue classes", ", ".join(spec.tissue_classes)
    yield "Pixel size", f"{spec.pixel_size_um:g} µm"
    yield "Data", ", ".join(map(str, _mapping(record, "data").values())) or _DASH
    yield "SHA-256 of the data", _short(record.get("data_sha256"))
    for what in ("tiles", "patients"):
        for side, count in _mapping(record, what).items():
            yield f"{what.capitalize()}, {side}", str(count)
    yield "Patients of the models before it", _before(spec)
    yield from _settings(record)
    yield from _metrics(record)
    yield "Verdict", kept.verdict or _DASH
    yield "Notes", kept.notes or _DASH
    yield "SHA-256 of the weights", _short(entry.sha256)


def _before(spec: ModelSpec) -> str:
    known, silent = ancestor_patients(spec), silent_ancestor(spec)
    if silent:
        return f"{len(known)}, and those of {silent}, which does not say" if known else f"{silent} does not say"
    return str(len(known))


def _settings(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    chosen = {key: record[key] for key in ("seed", "steps", "best_step", "training_seconds") if key in record}
    settings = _mapping(_finetune(record), "settings") or _mapping(record, "settings")
    for key, value in list({**chosen, **settings}.items())[:_MAX_SETTINGS]:
        yield f"Setting: {str(key).replace('_', ' ')}", str(value)


def _metrics(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Those of the validation that chose the weights."""
    validation = _mapping(record, "validation")
    for key, value in validation.items():
        for task, figure in value.items() if isinstance(value, Mapping) else [("", value)]:
            if isinstance(figure, (int, float)) and not isinstance(figure, bool):
                yield f"Validation: {key.replace('_', ' ')} {task}".rstrip(), f"{figure:.3f}"


def _finetune(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the dock's fine-tuning wrote of its own."""
    return _mapping(record, "finetune")


def _mapping(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A table of an untrusted record; empty where it is something else."""
    value = record.get(key)
    return value if isinstance(value, Mapping) else {}


def _short(value: Any) -> str:
    return f"{value[:_SHORT_HASH]}…" if isinstance(value, str) and value else _DASH
