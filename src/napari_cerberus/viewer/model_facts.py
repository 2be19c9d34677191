"""What a model's provenance says, in words and numbers that a panel can show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..model.library import ModelEntry
from ..model.spec import CARD_FILE, SPEC_FILE


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """One line of the model library.

    Attributes
    ----------
    name, sha256, parent, made, data, notes : str
        ``parent`` is the model it was fine-tuned from; ``made`` a date. Empty where nothing is known.
    shipped : bool
        It came with the program, so it can be neither renamed nor deleted.
    promoted : bool
    predicts : tuple of str
        Task keys.
    pixel_size_um : float
    tiles, patients : mapping of side to int
    figures : mapping of task to float
        On its own validation tiles: Dice of a dense task, balanced accuracy of the tissue head.
    settings : mapping of str to str
        How it was made.
    card : str
    """

    name: str
    sha256: str
    parent: str = ""
    made: str = ""
    data: str = ""
    notes: str = ""
    shipped: bool = False
    promoted: bool = False
    predicts: tuple[str, ...] = ()
    pixel_size_um: float = 1.0
    tiles: Mapping[str, int] = field(default_factory=dict)
    patients: Mapping[str, int] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    card: str = ""


def facts_of(entry: ModelEntry, *, promoted: bool = False, shipped: bool = False, notes: str = "") -> ModelFacts:
    """What is known of a model in the library; reads no weights."""
    said = entry.spec.provenance
    card = entry.path / CARD_FILE
    return ModelFacts(
        name=entry.name,
        sha256=entry.sha256,
        parent=_parent(said),
        made=_made(entry),
        data=_data(said),
        notes=notes,
        shipped=shipped,
        promoted=promoted,
        predicts=tuple(task.key for task in entry.spec.tasks),
        pixel_size_um=entry.spec.pixel_size_um,
        tiles=_numbers(said.get("tiles")),
        patients=_numbers(said.get("patients")),
        figures=_figures(said.get("validation")),
        settings=_settings(said),
        card=card.read_text(encoding="utf-8", errors="replace") if card.is_file() else "",
    )


def compared(one: ModelFacts, other: ModelFacts) -> list[tuple[str, str, str]]:
    """Rows ``(what, of one, of the other)`` for two models beside one another."""
    sides = tuple(dict.fromkeys((*one.patients, *other.patients)))
    tasks = tuple(dict.fromkeys((*one.figures, *other.figures)))
    settings = tuple(dict.fromkeys((*one.settings, *other.settings)))
    rows = [
        ("Made", one.made, other.made),
        ("From", one.parent, other.parent),
        ("Predicts", ", ".join(one.predicts), ", ".join(other.predicts)),
        ("Works at", f"{one.pixel_size_um:g} µm/px", f"{other.pixel_size_um:g} µm/px"),
        ("Data", one.data, other.data),
        *((f"Patients, {side}", _shown(one.patients.get(side)), _shown(other.patients.get(side))) for side in sides),
        *((f"Validation, {task}", _shown(one.figures.get(task)), _shown(other.figures.get(task))) for task in tasks),
        *((name.capitalize(), one.settings.get(name, "–"), other.settings.get(name, "–")) for name in settings),
        ("Notes", one.notes, other.notes),
        ("SHA-256", one.sha256[:16], other.sha256[:16]),
    ]
    return [(what, first or "–", second or "–") for what, first, second in rows]


def _shown(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _parent(said: Mapping[str, Any]) -> str:
    base = said.get("started_from")
    return str(base.get("name", "")) if isinstance(base, Mapping) else ""


def _made(entry: ModelEntry) -> str:
    """The date in the provenance, or else that of the file."""
    stated = str(entry.spec.provenance.get("made_at", ""))[:10]
    if stated:
        return stated
    try:
        return datetime.fromtimestamp((entry.path / SPEC_FILE).stat().st_mtime).date().isoformat()
    except OSError:
        return ""


def _data(said: Mapping[str, Any]) -> str:
    data = said.get("data")
    names = ", ".join(str(name) for name in data) if isinstance(data, Mapping) else ""
    digest = str(said.get("data_sha256", ""))[:8]
    return f"{names} ({digest})" if names and digest else names


def _numbers(values: Any) -> dict[str, int]:
    if not isinstance(values, Mapping):
        return {}
    return {str(key): value for key, value in values.items() if isinstance(value, int) and not isinstance(value, bool)}


def _figures(values: Any) -> dict[str, float]:
    if not isinstance(values, Mapping):
        return {}
    dice = values.get("dice")
    figures = {str(key): float(value) for key, value in dice.items()} if isinstance(dice, Mapping) else {}
    tissue = values.get("tissue_balanced_accuracy")
    return {**figures, "tissue": float(tissue)} if isinstance(tissue, float) and tissue > 0 else figures


def _settings(said: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(said[name]) for name in ("steps", "best_step", "seed", "training_seconds") if name in said}
