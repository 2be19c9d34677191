"""What an evaluation is: its settings, its identity and its outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from ...errors import DataError
from ...model.checkpoint import Model
from ...pairs.check.leaks import LeakReport
from ..data.tile_sources import Tile
from ..run_folder import data_hash, environment
from .leakage_status import LeakageStatus, leakage_status
from .scored_before import times_scored
from .scoring import ScoreSettings, TileScore
from .selection import Selection
from .summary import (
    BootstrapSettings,
    TaskSummary,
    TissueSummary,
    TypeSummary,
    summarise_tasks,
    summarise_tissue,
    summarise_types,
)

REPORT_FORMAT = "napari-cerberus evaluation/1"


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings:
    """How to evaluate.

    Attributes
    ----------
    scoring : ScoreSettings
    bootstrap : BootstrapSettings
    """

    scoring: ScoreSettings = field(default_factory=ScoreSettings)
    bootstrap: BootstrapSettings = field(default_factory=BootstrapSettings)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The outcome.

    Attributes
    ----------
    model : mapping
        Name, SHA-256, pixel size, thresholds and temperatures.
    data : mapping
        Hash, number of tiles and patients, sources.
    split : mapping
        File, SHA-256, unit and side.
    leakage_status : LeakageStatus
        What the model has seen of these tiles.
    leaks : LeakReport or None
        None without a split.
    tasks : tuple of TaskSummary
    types : tuple of TypeSummary
        Classes of objects.
    tissue : TissueSummary or None
    scores : tuple of TileScore
        Every scored tile.
    skipped : tuple of TileScore
        Those with a problem.
    settings, environment : mapping
    notes : tuple of str
    """

    model: Mapping[str, Any]
    data: Mapping[str, Any]
    split: Mapping[str, Any]
    leakage_status: LeakageStatus
    leaks: LeakReport | None
    tasks: tuple[TaskSummary, ...]
    types: tuple[TypeSummary, ...]
    tissue: TissueSummary | None
    scores: tuple[TileScore, ...]
    skipped: tuple[TileScore, ...]
    settings: Mapping[str, Any]
    environment: Mapping[str, Any]
    notes: tuple[str, ...]


def identity(model: Model, selection: Selection, settings: EvaluateSettings) -> dict[str, Any]:
    """What is being evaluated: scores of anything else must not mix in."""
    return {
        "format": REPORT_FORMAT,
        "model": model.sha256,
        "thresholds": dict(model.spec.thresholds),
        "temperatures": dict(model.spec.temperatures),
        "model pixel size": model.spec.pixel_size_um,
        "data": _hash(selection.tiles),
        "split": selection.split_sha256,
        "side": selection.side,
        "sensitivity": settings.scoring.sensitivity,
        "repair": asdict(settings.scoring.repair),
    }


def gather(
    model: Model,
    selection: Selection,
    scores: Sequence[TileScore],
    leaks: LeakReport | None,
    settings: EvaluateSettings,
) -> Evaluation:
    """Put the outcome together from the scores of all tiles.

    Raises
    ------
    DataError
        If none of them could be scored.
    """
    good = [score for score in scores if not score.problem]
    skipped = [score for score in scores if score.problem]
    if not good:
        raise DataError(f"None of the {len(scores)} tiles could be scored; the first: {skipped[0].problem}")
    classes = model.spec.tissue_classes
    return Evaluation(
        model=_about_model(model),
        data=_about_data(selection, good),
        split=_about_split(selection),
        leakage_status=leakage_status(model.spec, selection),
        leaks=leaks,
        tasks=summarise_tasks(good, weak=selection.weak, order=classes, bootstrap=settings.bootstrap),
        types=summarise_types(good, model.spec.tasks, settings.bootstrap),
        tissue=summarise_tissue(good, classes, settings.bootstrap),
        scores=tuple(good),
        skipped=tuple(skipped),
        settings={
            **asdict(settings.scoring),
            "bootstrap_samples": settings.bootstrap.samples,
            "bootstrap_seed": settings.bootstrap.seed,
        },
        environment={
            **environment(),
            "ran_on": sorted({score.runtime for score in good}),
            "median_seconds_per_tile": round(median(score.seconds for score in good), 3),
        },
        notes=(*selection.notes, *_notes(model, good), *_times(model, selection, settings)),
    )


def _times(model: Model, selection: Selection, settings: EvaluateSettings) -> tuple[str, ...]:
    """How often the patients of a test side were scored."""
    if selection.side != "test":
        return ()
    return (times_scored(identity(model, selection, settings), {tile.patient for tile in selection.tiles}),)


def _notes(model: Model, scores: Sequence[TileScore]) -> tuple[str, ...]:
    classes = model.spec.tissue_classes
    unanswered = sum(not score.tissue for score in scores)
    if classes and unanswered:
        return (f"{unanswered} tile(s) have no tissue class that the model knows; they count for objects only.",)
    return ()


def _hash(tiles: Sequence[Tile]) -> str:
    try:
        return data_hash(tiles)
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror or error}.") from error


def _about_model(model: Model) -> dict[str, Any]:
    spec = model.spec
    return {
        "name": model.name,
        "sha256": model.sha256,
        "pixel_size_um": spec.pixel_size_um,
        "tasks": [task.key for task in spec.tasks],
        "thresholds": dict(spec.thresholds),
        "temperatures": dict(spec.temperatures),
    }


def _about_data(selection: Selection, scores: Sequence[TileScore]) -> dict[str, Any]:
    return {
        "sources": sorted({tile.id.partition("/")[0] for tile in selection.tiles}),
        "sha256": _hash(selection.tiles),
        "tiles": len(scores),
        "patients": len({score.patient for score in scores}),
    }


def _about_split(selection: Selection) -> dict[str, Any]:
    return {
        "side": selection.side,
        "file": selection.split_name,
        "sha256": selection.split_sha256,
        "unit": selection.split.unit if selection.split else "",
    }
