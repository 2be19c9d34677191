"""Base against candidate on patients that neither learnt from: the gate before a model is promoted.

Every tile goes the users' way, post-processing included. Definitions stand in ``docs/finetuning_comparison.md``.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...model.ancestry import silent_teacher
from ...model.checkpoint import Model
from ...model.library.entries import library_folder
from ...model.library.manage import set_verdict
from ...pairs.split import apply_split, read_split
from ...progress import Job, Progress
from ...training.config import TrainConfig
from ...training.config_file import read_config
from ...training.data.tile_sources import LoadedTile, Tile, collect
from ...training.engine.old_domain import Reference, reference_set
from ...training.evaluation.metrics.bootstrap import MIN_PATIENTS
from ...training.evaluation.scoring import ScoreSettings
from ...training.evaluation.selection import weak_tasks
from ...training.run_folder import SPLIT_FILE
from ...training.run_settings import SourceSettings
from ...training.training_patients import bare_patient, taught_by, training_patients
from ...whole_folders import atomic_folder
from .comparison_record import COMPARISON_FILE, COMPARISON_FOLDER, ModelComparison, Verdict, write_record
from .comparison_scores import Trial, TrialScores, gained_and_lost, score_trial
from .forgetting import forgetting_rows, forgetting_sentence
from .gallery import chosen_tiles, draw_gallery
from .paired_rows import Compared, PairedScores, compare
from .tries import tries_on
from .verdict import NOTHING_HELD_OUT, verdict_of

CONFIG_FILE = "config.toml"
SCORES_FOLDER = "proof_scores"
_COUNTS = ("found_before", "found_after", "wrong_before", "wrong_after")
Labels = Mapping[str, NDArray[np.int32]]


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One model of a grouped cross-validation, and the ids of the tiles that were held out from it."""

    candidate: Model
    held_out: tuple[str, ...]


def compare_models(
    run_folder: Path,
    *,
    base: Model,
    candidate: Model,
    folds: Sequence[Fold] = (),
    settings: ScoreSettings | None = None,
) -> Job[ModelComparison]:
    """Compare two models on the held-out side of a run's split, and write the comparison into the run folder.

    Parameters
    ----------
    run_folder : Path
        Holds ``config.toml`` and ``split.json``; gets ``comparison/``, whole or not at all. A stopped one goes on
        where it was. A candidate from the library gets the verdict beside it there.
    base, candidate : Model
    folds : sequence of Fold
        Of a grouped cross-validation: each tile is then scored with the model that has not seen its patient, and all
        folds are pooled. It speaks of the way of training; ``candidate`` is the model trained on everything.
    settings : ScoreSettings, optional
        As a first click gives, where absent.

    Yields
    ------
    Progress
        At every step of every tile.

    Raises
    ------
    DataError
        If the data or the split are gone or damaged, or the candidate has learnt from a held-out patient.
    OutputError
        If the comparison cannot be written; an older one is then as it was.
    DeviceError
        If a model cannot run here.
    """
    yield Progress("Preparing the comparison")
    config = read_config(run_folder / CONFIG_FILE)
    # A run that lost its graphics card goes on without it.
    chosen = settings or ScoreSettings(device="cpu" if config.device == "cpu" else "auto")
    trials, weak = _trials(run_folder, config, base, candidate, folds)
    results: list[TrialScores] = []
    for number, trial in enumerate(trials):
        folder = run_folder / SCORES_FOLDER / f"held out {number}"
        results.append((yield from score_trial(trial, folder, chosen, "Comparing the models")))
    reference = reference_set(base, training_patients(candidate))
    old = yield from score_trial(
        Trial(base=base, candidate=candidate, tiles=reference.tiles),
        run_folder / SCORES_FOLDER / "reference",
        chosen,
        "Looking for what was forgotten",
    )
    yield Progress("Working out differences and intervals")
    comparison = _validated(results, base, candidate, weak, old, reference)
    held_out = sorted({bare_patient(tile.patient) for trial in trials for tile in trial.tiles})
    comparison = replace(comparison, held_out=tuple(held_out), tries=tries_on(held_out, run_folder))
    with atomic_folder(run_folder / COMPARISON_FOLDER, ours=(COMPARISON_FILE, "*.png")) as temporary:
        comparison = yield from _with_pictures(comparison, results, temporary)
        write_record(temporary, comparison)
    shutil.rmtree(run_folder / SCORES_FOLDER, ignore_errors=True)
    if candidate.path is not None and candidate.path.parent == library_folder():
        set_verdict(candidate.path.name, comparison.verdict, comparison.sentence)
    gallery = tuple(
        replace(
            pair, **{side: run_folder / COMPARISON_FOLDER / getattr(pair, side).name for side in ("before", "after")}
        )
        for pair in comparison.gallery
    )
    return replace(comparison, gallery=gallery)


def _trials(
    run_folder: Path, config: TrainConfig, base: Model, candidate: Model, folds: Sequence[Fold]
) -> tuple[list[Trial], frozenset[str]]:
    """What is run on which tiles, and the tasks whose labels come from a rule."""
    tiles = collect(_with_all_labels(config), config.tasks, config.root(run_folder))
    by_id = {tile.id: tile for tile in tiles}
    held_out = apply_split(read_split(run_folder / SPLIT_FILE), tiles).test
    trials = [Trial(base=base, candidate=candidate, tiles=tuple(held_out))]
    if folds:
        missing = [one for fold in folds for one in fold.held_out if one not in by_id]
        if missing:
            raise DataError(f"The folds name the tile {missing[0]!r}, which the data does not hold.")
        trials = [
            Trial(base=base, candidate=fold.candidate, tiles=tuple(by_id[one] for one in fold.held_out))
            for fold in folds
        ]
    for trial in trials:
        _refuse_training_patients(trial)
    used = {tile.id.partition("/")[0] for trial in trials for tile in trial.tiles}
    return trials, weak_tasks(source for source in config.sources if source.name in used)


def _with_all_labels(config: TrainConfig) -> list[SourceSettings]:
    """Sources whose pairs have the labels of every task: a moved encoder changes what no label has taught, too."""
    keys = tuple(task.key for task in config.tasks)
    return [replace(source, tasks=keys) if source.kind == "pairs" else source for source in config.sources]


def _refuse_training_patients(trial: Trial) -> None:
    held_out = {bare_patient(name) for tile in trial.tiles for name in (tile.patient, *tile.patients)}
    learnt = sorted(held_out & training_patients(trial.candidate))
    if learnt:
        raise DataError(
            f"Patient {learnt[0]} is held out, but the new model has learnt from him, "
            "so nothing can be compared; fine-tune again with a split by patient."
        )


def _validated(
    results: Sequence[TrialScores],
    base: Model,
    candidate: Model,
    weak: frozenset[str],
    old: TrialScores,
    reference: Reference,
) -> ModelComparison:
    pairs = [pair for result in results for pair in result.pairs]
    same_classes = base.spec.tissue_classes == candidate.spec.tissue_classes
    forgotten = forgetting_rows(old.pairs, same_classes, reference.weak)
    about: dict[str, Any] = {
        "forgetting": forgotten,
        "forgetting_sentence": forgetting_sentence(forgotten, reference.words),
        "base": {"name": base.name, "sha256": base.sha256},
        "candidate": {"name": candidate.name, "sha256": candidate.sha256},
    }
    problems = [text for result in (*results, old) for text in result.problems]
    if not pairs:
        notes = _problem_notes(problems)
        return ModelComparison(
            verdict="too few patients", sentence=NOTHING_HELD_OUT, needed_patients=MIN_PATIENTS, notes=notes, **about
        )
    about |= _found_counts(pairs)
    compared = compare(pairs, same_classes=same_classes, weak=weak)
    verdict, sentence, needed = _verdict(compared)
    notes = (*_notes(compared, pairs, base, len(results)), *_fitted(candidate), *_problem_notes(problems))
    return ModelComparison(
        verdict=verdict, sentence=sentence, needed_patients=needed, rows=compared.rows, notes=notes, **about
    )


def _found_counts(pairs: Sequence[PairedScores]) -> dict[str, dict[str, int]]:
    """Drawn objects of each task that both models predict, how many of them each finds, and what else it finds."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in ("drawn", *_COUNTS)}
    for pair in pairs:
        for task in pair.base.tasks.keys() & pair.candidate.tasks.keys():
            before, after = pair.base.tasks[task].objects, pair.candidate.tasks[task].objects
            counts["drawn"][task] += after.matched + after.missed
            for name, number in zip(_COUNTS, (before.matched, after.matched, before.extra, after.extra), strict=True):
                counts[name][task] += number
    return {name: dict(sorted(one.items())) for name, one in counts.items()}


def _verdict(compared: Compared) -> tuple[Verdict, str, int | None]:
    if compared.validated:
        return verdict_of(compared.validated)
    if compared.same:
        return "no difference shown", "No difference shown: both models give the same result on every tile.", None
    weak = [row.task for row in compared.rows if row.weak and row.difference is not None]
    if weak:
        reason = f"{', '.join(sorted(set(weak)))} were drawn by a rule, not by a person, so nothing rests on them."
    else:
        reason = "the base model predicts nothing that the held-out tiles have labels for, so it cannot be compared."
    return "no difference shown", f"No difference shown: {reason}", None


def _notes(compared: Compared, pairs: Sequence[PairedScores], base: Model, trials: int) -> tuple[str, ...]:
    notes = []
    patients = {bare_patient(pair.candidate.patient) for pair in pairs}
    if trials > 1:
        notes.append(f"Cross-validation: {trials} models, each on the patients it has not seen; the folds are pooled.")
    if seen := patients & taught_by(base.spec):
        notes.append(
            f"The base model, or one that it was made from, has learnt from {len(seen)} of the {len(patients)} "
            "held-out patients, so it looks better here than it is, and so may the new one."
        )
    elif silent := silent_teacher(base.spec):
        notes.append(
            f"{silent} does not say whom it learned from: whether these patients were among them is not known."
        )
    if compared.fresh:
        notes.append(f"The base model has no {', '.join(compared.fresh)} of this kind: shown without a comparison.")
    if compared.same and compared.validated:
        notes.append(f"Alike in both models on every tile: {', '.join(compared.same)}.")
    if weak := sorted({row.task for row in compared.rows if row.weak}):
        notes.append(f"Labels of {', '.join(weak)} come from a rule; they are no part of the verdict.")
    return tuple(notes)


def _fitted(candidate: Model) -> tuple[str, ...]:
    """What of thresholds and temperature was fitted anew after the fine-tune, and what was kept."""
    record = candidate.spec.provenance.get("finetune")
    said = record.get("calibration") if isinstance(record, Mapping) else None
    return (said,) if isinstance(said, str) and said else ()


def _problem_notes(problems: Sequence[str]) -> tuple[str, ...]:
    if not problems:
        return ()
    return (f"{len(problems)} tile{'s' * (len(problems) > 1)} could not be scored, for example: {problems[0]}",)


def _with_pictures(comparison: ModelComparison, results: Sequence[TrialScores], folder: Path) -> Job[ModelComparison]:
    """Objects gained and lost, which need all labels, and the gallery."""
    gained: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    where: dict[str, tuple[Tile, TrialScores]] = {}
    for result in results:
        tiles = {tile.id: tile for tile in result.trial.tiles}
        for number, pair in enumerate(result.pairs):
            yield Progress("Counting objects gained and lost", number, len(result.pairs))
            tile_id = pair.candidate.id
            where[tile_id] = (tiles[tile_id], result)
            more, fewer = gained_and_lost(tiles[tile_id].load().labels, *_found(result, tile_id))
            gained.update(more)
            lost.update(fewer)

    def load(tile_id: str) -> tuple[LoadedTile, Labels, Labels]:
        tile, result = where[tile_id]
        return (tile.load(), *_found(result, tile_id))

    pairs = [pair for result in results for pair in result.pairs]
    gallery = yield from draw_gallery(chosen_tiles(pairs), load, folder)
    return replace(comparison, gained=dict(gained), lost=dict(lost), gallery=gallery)


def _found(result: TrialScores, tile_id: str) -> tuple[Labels, Labels]:
    return result.base_store.labels(tile_id), result.candidate_store.labels(tile_id)
