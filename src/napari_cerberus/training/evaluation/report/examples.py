"""Which tiles the page shows: the worst and the best of each task, and the surest wrong tissue answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ....errors import DataError
from ....progress import Job, Progress
from ...data.tile_sources import LoadedTile, Tile
from ..score_store import ScoreStore
from ..scoring import TileScore
from .markup import Markup
from .tile_overlays import overlay

SHOWN = 4


@dataclass(frozen=True, kw_only=True)
class Example:
    """A tile to look at.

    Attributes
    ----------
    score : TileScore
    picture : Markup
    caption : str
    """

    score: TileScore
    picture: Markup
    caption: str


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Worst and best tiles of each task, worst first and best first, and wrong tissue answers, surest first."""

    worst: Mapping[str, tuple[Example, ...]]
    best: Mapping[str, tuple[Example, ...]]
    wrong: tuple[Example, ...]


def choose_examples(
    scores: Sequence[TileScore], tiles: Sequence[Tile], store: ScoreStore, classes: Sequence[str]
) -> Job[Examples]:
    """Draw the examples of all tasks; tiles that cannot be read any more are left out.

    Yields
    ------
    Progress
        At every picture.
    """
    gallery = _Gallery(tiles, store)
    worst: dict[str, tuple[Example, ...]] = {}
    best: dict[str, tuple[Example, ...]] = {}
    for task in dict.fromkeys(key for score in scores for key in score.tasks):
        ranked = ranking(scores, task)
        count = min(SHOWN, (len(ranked) + 1) // 2)
        worst[task] = yield from gallery.of_task(ranked[:count], task)
        best[task] = yield from gallery.of_task(ranked[count:][::-1][:count], task)
    wrong = yield from gallery.of_tissue(surest_wrong(scores)[:SHOWN], classes)
    return Examples(worst=worst, best=best, wrong=wrong)


def ranking(scores: Sequence[TileScore], task: str) -> list[TileScore]:
    """Tiles where the task's Dice counts, worst first."""
    graded = [(score.tasks[task].pixels.metrics()["dice"], score) for score in scores if task in score.tasks]
    counted = [(value, score) for value, score in graded if not math.isnan(value)]
    return [score for _, score in sorted(counted, key=lambda pair: (pair[0], pair[1].id))]


def surest_wrong(scores: Sequence[TileScore]) -> list[TileScore]:
    """Tiles whose tissue answer is wrong, the most probable answer first."""
    wrong = [score for score in scores if score.tissue and score.tissue_answer != score.tissue_truth]
    return sorted(wrong, key=lambda score: (-max(score.tissue), score.id))


class _Gallery:
    def __init__(self, tiles: Sequence[Tile], store: ScoreStore) -> None:
        self._tiles = {tile.id: tile for tile in tiles}
        self._store = store

    def of_task(self, scores: Sequence[TileScore], task: str) -> Job[tuple[Example, ...]]:
        examples = []
        for score in scores:
            yield Progress("Drawing examples")
            loaded = self._load(score)
            if loaded is not None:
                truth, found = loaded.labels.get(task), self._store.labels(score.id).get(task)
                picture = overlay(loaded.image, truth, found, f"{task} of {score.id}")
                examples.append(Example(score=score, picture=picture, caption=_metrics(score, task)))
        return tuple(examples)

    def of_tissue(self, scores: Sequence[TileScore], classes: Sequence[str]) -> Job[tuple[Example, ...]]:
        examples = []
        for score in scores:
            yield Progress("Drawing examples")
            loaded = self._load(score)
            if loaded is not None:
                answer, truth = classes[score.tissue_answer], classes[score.tissue_truth]
                caption = f"{answer} ({max(score.tissue):.0%}); it is {truth} ({score.tissue[score.tissue_truth]:.0%})"
                picture = overlay(loaded.image, None, None, score.id)
                examples.append(Example(score=score, picture=picture, caption=caption))
        return tuple(examples)

    def _load(self, score: TileScore) -> LoadedTile | None:
        try:
            return self._tiles[score.id].load()
        except DataError:  # it was scored, so it was readable then; the report can do without its picture
            return None


def _metrics(score: TileScore, task: str) -> str:
    pixels, objects = score.tasks[task].pixels.metrics(), score.tasks[task].objects.metrics()
    sums = score.tasks[task].objects
    counts = f"{sums.matched + sums.missed} drawn, {sums.matched + sums.extra} found"
    f1 = "not counted" if math.isnan(objects["f1"]) else f"{objects['f1']:.2f}"
    return f"Dice {pixels['dice']:.3f}, F1 {f1}; {counts}"
