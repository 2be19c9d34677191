"""Both models on the same tiles, the users' way; scores are kept as they come, so that it goes on after a stop."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...model.checkpoint import Model
from ...progress import Job, Progress, as_one_step
from ...training.data.tile_sources import Tile
from ...training.evaluation.metrics.object_metrics import MATCH_IOU, overlaps
from ...training.evaluation.score_store import ScoreStore
from ...training.evaluation.scoring import ScoreSettings, score_tile
from .paired_rows import PairedScores

Labels = Mapping[str, NDArray[np.int32]]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Tiles, and the two models that are run on them.

    Attributes
    ----------
    base, candidate : Model
    tiles : tuple of Tile
        None of them may have taught the candidate.
    """

    base: Model
    candidate: Model
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, kw_only=True)
class TrialScores:
    """What came of a trial.

    Attributes
    ----------
    trial : Trial
    pairs : tuple of PairedScores
        Of the tiles that both models could be scored on.
    problems : tuple of str
        Why the others could not.
    base_store, candidate_store : ScoreStore
        They keep what was found on each tile.
    """

    trial: Trial
    pairs: tuple[PairedScores, ...]
    problems: tuple[str, ...]
    base_store: ScoreStore
    candidate_store: ScoreStore


def score_trial(trial: Trial, folder: Path, settings: ScoreSettings, stage: str) -> Job[TrialScores]:
    """Run both models on every tile.

    Parameters
    ----------
    trial : Trial
    folder : Path
        Scores of an earlier, interrupted call are used where they are of the same models and tiles.
    settings : ScoreSettings
    stage : str
        For the progress.

    Raises
    ------
    DataError
        If a tile's file is gone.
    DeviceError
        If a model cannot run here.
    """
    stores = {
        side: _store(folder / f"{side} {model.sha256[:12]}", model, trial.tiles, settings)
        for side, model in (("base", trial.base), ("candidate", trial.candidate))
    }
    total = 2 * len(trial.tiles)
    for place, tile in enumerate(trial.tiles):
        for turn, (side, model) in enumerate((("base", trial.base), ("candidate", trial.candidate))):
            step = Progress(stage, 2 * place + turn, total)
            yield step
            if tile.id not in stores[side].scores:
                stores[side].add((yield from as_one_step(score_tile(model, tile, settings), step)))
    yield Progress(stage, total, total)
    pairs = [
        PairedScores(base=stores["base"].scores[tile.id], candidate=stores["candidate"].scores[tile.id])
        for tile in trial.tiles
    ]
    return TrialScores(
        trial=trial,
        pairs=tuple(one for one in pairs if not (one.base.problem or one.candidate.problem)),
        problems=tuple(text for one in pairs if (text := one.base.problem or one.candidate.problem)),
        base_store=stores["base"],
        candidate_store=stores["candidate"],
    )


def found_objects(truth: NDArray[np.int32], found: NDArray[np.int32]) -> frozenset[int]:
    """Which drawn objects are found (IoU above 0.5): their places in the order of their ids, from 0."""
    pairs = overlaps(truth, found)
    return frozenset(pairs.drawn[pairs.iou > MATCH_IOU].tolist())


def gained_and_lost(truth: Labels, base: Labels, candidate: Labels) -> tuple[dict[str, int], dict[str, int]]:
    """Drawn objects of each task that only the candidate finds, and that only the base finds."""
    gained, lost = {}, {}
    for task in truth:
        if task in base and task in candidate:
            before, after = found_objects(truth[task], base[task]), found_objects(truth[task], candidate[task])
            gained[task], lost[task] = len(after - before), len(before - after)
    return gained, lost


def _store(folder: Path, model: Model, tiles: Sequence[Tile], settings: ScoreSettings) -> ScoreStore:
    identity = _identity(model, tiles, settings)
    try:
        return ScoreStore(folder, identity, resume=True)
    except DataError:  # of other tiles, or damaged: nothing to go on with
        shutil.rmtree(folder, ignore_errors=True)
        return ScoreStore(folder, identity, resume=True)


def _identity(model: Model, tiles: Sequence[Tile], settings: ScoreSettings) -> dict[str, Any]:
    spec = model.spec
    return {
        "model": model.sha256,
        "thresholds": dict(spec.thresholds),
        "temperatures": dict(spec.temperatures),
        "tiles": _tiles_sha256(tiles),
        "sensitivity": settings.sensitivity,
        "repair": asdict(settings.repair),
    }


def _tiles_sha256(tiles: Sequence[Tile]) -> str:
    """Over ids and image files; drawn tiles have no file, and their ids say how they are drawn."""
    digest = hashlib.sha256()
    for tile in tiles:
        digest.update(tile.id.encode(errors="backslashreplace"))
        if tile.image_path.is_file():
            digest.update(tile.image_path.read_bytes())
    return digest.hexdigest()
