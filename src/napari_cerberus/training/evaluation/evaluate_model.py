"""The evaluation of a model: the product's own way of annotating, tile by tile, against what was drawn."""

from __future__ import annotations

from pathlib import Path

from ...model.checkpoint import Model
from ...pairs.check.leaks import leak_report
from ...progress import Job, Progress, as_one_step
from .outcome import EvaluateSettings, Evaluation, gather, identity
from .report.examples import choose_examples
from .report.write_report import write_report
from .score_store import ScoreStore
from .scoring import TileScore, score_tile
from .selection import Selection


def evaluate(
    model: Model,
    selection: Selection,
    folder: Path,
    settings: EvaluateSettings | None = None,
    *,
    resume: bool = False,
) -> Job[Evaluation]:
    """Score a model on the selected tiles and write the report (``report.write``).

    Parameters
    ----------
    model : Model
    selection : Selection
        From ``select_folder`` or ``select_config``.
    folder : Path
        Scores are kept there as they come, and the report is written there at the end.
    settings : EvaluateSettings, optional
    resume : bool
        Go on with an evaluation that was cut off; a finished one is only summed up again.

    Yields
    ------
    Progress
        At every step of every tile.

    Raises
    ------
    DataError
        If no tile can be scored, or the folder's scores are of something else.
    OutputError
        If the folder holds an evaluation and ``resume`` is False, or cannot be written.
    DeviceError
        If the model cannot run here.
    """
    settings = settings or EvaluateSettings()
    yield Progress("Reading the data")
    store = ScoreStore(folder, identity(model, selection, settings), resume=resume)
    leaks = (yield from leak_report(selection.split, selection.everything)) if selection.split else None
    scores = yield from _score_all(model, selection, store, settings)
    yield Progress("Working out figures and intervals")
    outcome = gather(model, selection, scores, leaks, settings)
    examples = yield from choose_examples(outcome.scores, selection.tiles, store, model.spec.tissue_classes)
    write_report(folder, outcome, examples)
    return outcome


def _score_all(
    model: Model, selection: Selection, store: ScoreStore, settings: EvaluateSettings
) -> Job[list[TileScore]]:
    total = len(selection.tiles)
    for done, tile in enumerate(selection.tiles):
        step = Progress("Scoring tiles", done, total)
        yield step
        if tile.id not in store.scores:
            store.add((yield from as_one_step(score_tile(model, tile, settings.scoring), step)))
    yield Progress("Scoring tiles", total, total)
    return [store.scores[tile.id] for tile in selection.tiles]
