"""Calibrating a model on the validation side of its split: temperature and thresholds, written as a new model."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError, ImageError, OutputError
from ...inference.annotate_settings import AnnotateSettings, DeviceChoice
from ...inference.doubts.tissue_doubt import FIELD
from ...model.checkpoint import Model, save_model
from ...model.spec import ModelSpec
from ...pairs.split import SUBSETS
from ...progress import Job, Progress, as_one_step
from ...tasks import GLANDS, LUMINA
from ..data.tile_sources import Tile
from .calibration import (
    THRESHOLDS,
    TemperatureFit,
    ThresholdChoice,
    TissueAnswer,
    TissueSet,
    choose_threshold,
    fit_temperature,
    fit_tissue_set,
    threshold_point,
)
from .leakage_status import is_own_split
from .read_tile import SeenTile, cut_objects, see_tile
from .scoring import TISSUE, TaskScore, compare_labels
from .selection import Selection

Graded = defaultdict[str, dict[float, list[TaskScore]]]
"""Scores of the tiles, by task and threshold."""


@dataclass
class _Readings:
    answers: list[TissueAnswer] = field(default_factory=list)
    graded: Graded = field(default_factory=lambda: defaultdict(dict))
    skipped: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """The outcome.

    Attributes
    ----------
    folder : Path
        Of the new model.
    sha256 : str
        Of its weights.
    temperature : TemperatureFit or None
        None without a tissue head.
    thresholds : mapping of task key to ThresholdChoice
    skipped : tuple of str
        Tiles that could not be used, and why.
    """

    folder: Path
    sha256: str
    temperature: TemperatureFit | None
    thresholds: Mapping[str, ThresholdChoice]
    skipped: tuple[str, ...]


def calibrate(
    model: Model,
    selection: Selection,
    folder: Path,
    *,
    device: DeviceChoice = "auto",
    half_precision: bool = False,
    tasks: Collection[str] | None = None,
) -> Job[Calibrated]:
    """Fit temperature and thresholds, and write the model with them.

    Parameters
    ----------
    model : Model
        Left as it is.
    selection : Selection
        The validation side of a split; no other side is taken.
    folder : Path
        Of the new model; must not exist.
    device : {"auto", "cpu", "cuda", "mps"}
    half_precision : bool
        Store the weights as float16.
    tasks : collection of str, optional
        Only these are fitted; None: every task with labels.

    Yields
    ------
    Progress
        At every step of every tile.

    Raises
    ------
    DataError
        If the tiles are not the validation side, or none of them can be used.
    OutputError
        If the folder exists or cannot be written.
    """
    if selection.side != "validation":
        raise DataError(f"A model is calibrated on the validation side of its split only, not on {selection.side!r}.")
    if folder.exists():
        raise OutputError(f"{folder} exists already; name a new folder for the calibrated model.")
    readings = yield from _read(model, selection, device, None if tasks is None else frozenset(tasks))
    yield Progress("Choosing temperature and thresholds")
    thresholds = {task: _choose(points) for task, points in readings.graded.items()}
    present = model.spec.temperatures.get(TISSUE, 1.0)
    temperature = fit_temperature(readings.answers, present) if readings.answers else None
    if not thresholds and temperature is None:
        why = "; ".join(readings.skipped[:3]) or "none has labels that the model predicts"
        raise DataError(f"No validation tile could be used: {why}.")
    factor = temperature.temperature / present if temperature else 1.0
    tissue_set = fit_tissue_set(readings.answers, factor) if readings.answers else None
    spec = calibrated_spec(model.spec, selection, temperature, thresholds, tissue_set)
    return Calibrated(
        folder=folder,
        sha256=save_model(folder, model.network, spec, card=model.card(), half_precision=half_precision),
        temperature=temperature,
        thresholds=thresholds,
        skipped=tuple(readings.skipped),
    )


def calibrated_spec(
    spec: ModelSpec,
    selection: Selection,
    temperature: TemperatureFit | None,
    thresholds: Mapping[str, ThresholdChoice],
    tissue_set: TissueSet | None = None,
) -> ModelSpec:
    """The description with the fitted numbers, and how they were come by in its provenance."""
    drawn = _drawn(selection.tiles)
    fitted = {
        task: {**asdict(choice), "weak_labels": task in selection.weak and task not in drawn}
        for task, choice in thresholds.items()
    }
    earlier = spec.provenance.get("calibration")
    before = earlier if isinstance(earlier, Mapping) else {}  # what is not fitted anew stays
    record: dict[str, Any] = {
        "split_sha256": selection.split_sha256,
        "tiles": len(selection.tiles),
        "temperature": asdict(temperature) if temperature else before.get("temperature"),
        **({FIELD: asdict(tissue_set)} if tissue_set else {key: before[key] for key in (FIELD,) if key in before}),
        "thresholds": {**before.get("thresholds", {}), **fitted},
    }
    temperatures = {TISSUE: temperature.temperature} if temperature else {}
    return replace(
        spec,
        temperatures={**spec.temperatures, **temperatures},
        thresholds={**spec.thresholds, **{task: choice.threshold for task, choice in thresholds.items()}},
        provenance={**spec.provenance, **_patients(spec, selection), "calibration": _plain(record)},
    )


def _plain(value: Any) -> Any:
    """Without NaN, which JSON has no word for: what is not defined at a threshold becomes null."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _read(model: Model, selection: Selection, device: DeviceChoice, tasks: frozenset[str] | None) -> Job[_Readings]:
    """Run the network once on every tile that has a say, and cut it at every threshold."""
    readings, drawn = _Readings(), _drawn(selection.tiles)
    asked = frozenset(task.key for task in model.spec.tasks) if tasks is None else tasks
    for done, tile in enumerate(selection.tiles):
        step = Progress("Reading validation tiles", done, len(selection.tiles))
        yield step
        if not (wanted := (tile.tasks - (tile.weak & drawn)) & asked):
            continue
        try:
            seen = yield from as_one_step(see_tile(model, tile, device=device), step)
        except (DataError, ImageError) as error:
            readings.skipped.append(f"{tile.id}: {error}")
            continue
        if TISSUE in wanted:
            readings.answers.extend(_tissue_answer(seen, tile, model))
        yield from as_one_step(_grade(seen, model, readings.graded, wanted), step)
    return readings


def _drawn(tiles: Sequence[Tile]) -> frozenset[str]:
    """Tasks with labels that no rule made: where there are any, weak ones have no say."""
    return frozenset(chain.from_iterable(tile.tasks - tile.weak for tile in tiles))


def _tissue_answer(seen: SeenTile, tile: Tile, model: Model) -> list[TissueAnswer]:
    """One answer, or none where the tile has no class that the model knows."""
    classes, probabilities = model.spec.tissue_classes, seen.prediction.tissue
    if probabilities is None or TISSUE not in tile.tasks or tile.stratum not in classes:
        return []
    cells = seen.holds_tissue if seen.holds_tissue.any() else np.ones_like(seen.holds_tissue)
    return [TissueAnswer(probabilities=probabilities[:, cells], truth=classes.index(tile.stratum))]


def _grade(seen: SeenTile, model: Model, graded: Graded, tasks: frozenset[str]) -> Job[None]:
    """Score the tile's tasks at every threshold; the other tasks keep the model's present ones."""
    settings = AnnotateSettings(pixel_size_um=seen.loaded.pixel_size)
    for task, truth in seen.loaded.labels.items():
        if task not in seen.prediction.probabilities or task not in tasks:
            continue
        needed = {task, GLANDS} if task == LUMINA else {task}
        for threshold in THRESHOLDS:
            spec = replace(model.spec, thresholds={**model.spec.thresholds, task: threshold})
            labels = yield from cut_objects(seen, replace(model, spec=spec), settings, needed)
            graded[task].setdefault(threshold, []).append(compare_labels(truth, labels[task]))


def _choose(points: Mapping[float, list[TaskScore]]) -> ThresholdChoice:
    curve = [threshold_point(threshold, scores) for threshold, scores in sorted(points.items())]
    return choose_threshold(curve, tiles=max(map(len, points.values())))


def _patients(spec: ModelSpec, selection: Selection) -> dict[str, list[str]]:
    """Patients of every side, for a model whose record lacks them; only where the split is its own."""
    if selection.split is None or spec.provenance.get("train_patients") or not is_own_split(spec.provenance, selection):
        return {}
    patient = {tile.id: tile.patient for tile in selection.everything}
    sides = selection.split.sides
    return {f"{side}_patients": sorted({patient[id_] for id_ in sides[side]}) for side in SUBSETS}
