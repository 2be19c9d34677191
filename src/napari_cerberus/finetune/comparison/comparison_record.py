"""What a comparison says, and how it is kept: ``comparison/comparison.json`` in the run folder, its pictures beside it.

Loads no torch, so that a dock can show a comparison at once. Definitions stand in ``docs/finetuning_comparison.md``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from ...errors import DataError
from ...files import inside
from ...strict_json import read_object
from ...whole_folders import settle

COMPARISON_FOLDER = "comparison"
COMPARISON_FILE = "comparison.json"
FORMAT = "napari-cerberus comparison/1"
Verdict = Literal["better", "no difference shown", "worse", "too few patients"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
_ORDINALS = ("Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth")
_MAX_BYTES = 16 * 2**20


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure of base and candidate on the same tiles.

    Attributes
    ----------
    task : str
    category : str
        Empty for all tiles.
    figure : str
        Key of the figure: ``dice``, ``pq``, ``balanced_accuracy`` ...
    heading : str
        The figure's name for the user.
    base, candidate : float or None
        None where the figure is not defined, or the model has no such task.
    difference : float or None
        Candidate - base.
    low, high : float or None
        Interval of the difference, by patient; None with too few patients.
    tiles, patients : int
    primary : bool
        The row that the verdict rests on: one for each task.
    weak : bool
        The labels come from a rule; nobody drew them.
    """

    task: str
    category: str = ""
    figure: str
    heading: str = ""
    base: float | None = None
    candidate: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    tiles: int
    patients: int
    primary: bool = False
    weak: bool = False


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A tile before and after.

    Attributes
    ----------
    tile : str
        Its id.
    before, after : Path
        PNG files of base and candidate: what was drawn in black, what was found in each task's colour.
    difference : float
        Mean over the tile's tasks of the primary figure's difference; negative: the candidate is worse.
    """

    tile: str
    before: Path
    after: Path
    difference: float


@dataclass(frozen=True, kw_only=True)
class ModelComparison:
    """Base against candidate on held-out patients.

    Attributes
    ----------
    verdict : {"better", "no difference shown", "worse", "too few patients"}
    sentence : str
        The verdict in words.
    needed_patients : int or None
        How many held-out patients would do; None where it is told already.
    rows : tuple of Row
        The primary rows first, then the others and the categories.
    gained, lost : mapping of task key to int
        Drawn objects that only the candidate finds, and that only the base finds (IoU above 0.5).
    drawn, found_before, found_after : mapping of task key to int
        Drawn objects on the held-out tiles, and how many of them base and candidate find.
    wrong_before, wrong_after : mapping of task key to int
        Objects of base and candidate that are none of the drawn ones.
    forgetting : tuple of Row
        On the reference set.
    forgetting_sentence : str
    gallery : tuple of Pair
        Worst first.
    notes : tuple of str
        What else must be known.
    base, candidate : mapping
        Name and SHA-256 of each model.
    held_out : tuple of str
        The patients, without their source.
    tries : int
        Which comparison on these patients this is, from 1.
    """

    verdict: Verdict
    sentence: str
    needed_patients: int | None = None
    rows: tuple[Row, ...] = ()
    gained: Mapping[str, int] = field(default_factory=dict)
    lost: Mapping[str, int] = field(default_factory=dict)
    drawn: Mapping[str, int] = field(default_factory=dict)
    found_before: Mapping[str, int] = field(default_factory=dict)
    found_after: Mapping[str, int] = field(default_factory=dict)
    wrong_before: Mapping[str, int] = field(default_factory=dict)
    wrong_after: Mapping[str, int] = field(default_factory=dict)
    forgetting: tuple[Row, ...] = ()
    forgetting_sentence: str = ""
    gallery: tuple[Pair, ...] = ()
    notes: tuple[str, ...] = ()
    base: Mapping[str, str] = field(default_factory=dict)
    candidate: Mapping[str, str] = field(default_factory=dict)
    held_out: tuple[str, ...] = ()
    tries: int = 1

    @property
    def tries_sentence(self) -> str:
        """ "Third comparison on these patients: ..."; empty at the first."""
        if self.tries < 2:
            return ""
        place = self.tries - 2
        which = f"{_ORDINALS[place]} comparison" if place < len(_ORDINALS) else f"Comparison number {self.tries}"
        return f"{which} on these patients: the more models are tried on them, the sooner one looks better by luck."


def comparison_path(run_folder: Path) -> Path:
    """Where a run's comparison lies once it is made."""
    return run_folder / COMPARISON_FOLDER / COMPARISON_FILE


def read_comparison(run_folder: Path) -> ModelComparison:
    """The comparison of a run folder, strictly.

    Raises
    ------
    DataError
        If there is none, or it is damaged or of another format; the field is named.
    """
    settle(run_folder / COMPARISON_FOLDER)
    path = comparison_path(run_folder)
    content = read_object(path, max_bytes=_MAX_BYTES)
    if content.pop("format", None) != FORMAT:
        raise DataError(f"{path} is not a comparison that this program reads ({FORMAT}).")
    try:
        return _comparison(content, path.parent)
    except (KeyError, TypeError, ValueError) as error:
        reason = f"field {error} is missing" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{path} is damaged: {reason}") from error


def write_record(folder: Path, comparison: ModelComparison) -> None:
    """Write ``comparison.json`` into a folder that is not yet in place; pictures are named relative to it."""
    content = asdict(comparison)
    for pair in content["gallery"]:
        for side in ("before", "after"):
            pair[side] = Path(pair[side]).name
    text = json.dumps({"format": FORMAT, **content}, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / COMPARISON_FILE).write_text(text + "\n", encoding="utf-8")


def _comparison(content: Mapping[str, Any], folder: Path) -> ModelComparison:
    _only_known(content, ModelComparison)
    verdict = _typed(content, "verdict", str)
    if verdict not in VERDICTS:
        raise ValueError(f"verdict {verdict!r} is none of {', '.join(VERDICTS)}.")
    needed = content["needed_patients"]
    return ModelComparison(
        verdict=verdict,
        sentence=_typed(content, "sentence", str),
        needed_patients=None if needed is None else _typed(content, "needed_patients", int),
        rows=tuple(_row(item) for item in _typed(content, "rows", list)),
        gained=_mapping(content, "gained", int),
        lost=_mapping(content, "lost", int),
        drawn=_mapping(content, "drawn", int),
        found_before=_mapping(content, "found_before", int),
        found_after=_mapping(content, "found_after", int),
        wrong_before=_mapping(content, "wrong_before", int),
        wrong_after=_mapping(content, "wrong_after", int),
        forgetting=tuple(_row(item) for item in _typed(content, "forgetting", list)),
        forgetting_sentence=_typed(content, "forgetting_sentence", str),
        gallery=tuple(_pair(item, folder) for item in _typed(content, "gallery", list)),
        notes=_texts(content, "notes"),
        base=_mapping(content, "base", str),
        candidate=_mapping(content, "candidate", str),
        held_out=_texts(content, "held_out"),
        tries=_typed(content, "tries", int),
    )


def _row(item: Any) -> Row:
    if not isinstance(item, dict):
        raise TypeError("every row must be a table.")
    _only_known(item, Row)
    values: dict[str, Any] = {name: _typed(item, name, str) for name in ("task", "category", "figure", "heading")}
    values |= {name: _number(item, name) for name in ("base", "candidate", "difference", "low", "high")}
    values |= {name: _typed(item, name, int) for name in ("tiles", "patients")}
    values |= {name: _typed(item, name, bool) for name in ("primary", "weak")}
    return Row(**values)


def _pair(item: Any, folder: Path) -> Pair:
    if not isinstance(item, dict):
        raise TypeError("every picture pair must be a table.")
    _only_known(item, Pair)
    difference = _number(item, "difference")
    if difference is None:
        raise TypeError("field 'difference' must be a number.")
    return Pair(
        tile=_typed(item, "tile", str),
        before=inside(folder, _typed(item, "before", str)),
        after=inside(folder, _typed(item, "after", str)),
        difference=difference,
    )


def _only_known(content: Mapping[str, Any], kind: type) -> None:
    if unknown := sorted(set(content) - set(kind.__dataclass_fields__)):  # type: ignore[attr-defined]
        raise ValueError(f"unknown field {unknown[0]!r}.")


def _typed(content: Mapping[str, Any], name: str, kind: type) -> Any:
    value = content[name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"field {name!r} must not be {value!r}.")
    return value


def _number(content: Mapping[str, Any], name: str) -> float | None:
    value = content[name]
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise TypeError(f"field {name!r} must be a number, not {value!r}.")
    return float(value)


def _mapping(content: Mapping[str, Any], name: str, kind: type) -> dict[str, Any]:
    values = _typed(content, name, dict)
    return {key: _typed(values, key, kind) for key in values}


def _texts(content: Mapping[str, Any], name: str) -> tuple[str, ...]:
    values: Sequence[Any] = _typed(content, name, list)
    if not all(isinstance(value, str) for value in values):
        raise TypeError(f"field {name!r} must hold sentences.")
    return tuple(values)
