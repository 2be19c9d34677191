"""Which tasks the pairs can teach a base model, and whether its tissue head fits them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..model.spec import ModelSpec
from ..pairs.words import counted
from ..tasks import CERBERUS_TASKS, TaskSpec
from ..training.data.tile_sources import Tile

TISSUE = "tissue"


@dataclass(frozen=True, kw_only=True)
class Training:
    """What is trained.

    Attributes
    ----------
    tasks : tuple of str
        Keys of the tasks that learn.
    model_tasks : tuple of TaskSpec
        All tasks of the new model.
    warnings, stops : tuple of str
    new_head : str
        One sentence if the tissue head is made anew.
    """

    tasks: tuple[str, ...]
    model_tasks: tuple[TaskSpec, ...]
    warnings: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()
    new_head: str = ""


def kept_tasks(base: ModelSpec) -> tuple[TaskSpec, ...]:
    """Tasks of the base model that a training config can name: types of objects only with the published classes."""
    return tuple(task for task in base.tasks if task.kind != "types" or task in CERBERUS_TASKS)


def choose_tasks(wanted: Sequence[str], base: ModelSpec, tiles: Sequence[Tile]) -> Training:
    """What to train.

    Parameters
    ----------
    wanted : sequence of str
        Task keys; empty: all that the pairs have labels for.
    base : ModelSpec
    tiles : sequence of Tile
        With all tasks they have labels for, checked and unchecked.
    """
    kept = kept_tasks(base)
    dropped = [task.key for task in base.tasks if task not in kept]
    warnings = [f"The new model will not tell {', '.join(dropped)}: a training config cannot name its classes."]
    labelled = Counter(key for tile in tiles for key in tile.tasks)
    dense = [task.key for task in kept if task.kind != "tissue" and labelled[task.key]]
    chosen = [key for key in dense if not wanted or key in wanted]
    missing = [key for key in wanted if key != TISSUE and key not in dense]
    stops = [_why_missing(key, tiles) for key in missing]
    confirmed = [tile for tile in tiles if TISSUE not in tile.unchecked]
    categories = sorted({tile.stratum for tile in confirmed})
    tissue = _tissue(TISSUE in wanted, not wanted, base.tissue_classes, categories)
    if tissue.learns:
        chosen.append(TISSUE)
    if tissue.classes:
        made = TaskSpec(key=TISSUE, kind="tissue", classes=tissue.classes)
        kept = (*(task for task in kept if task.kind != "tissue"), made)
    if not chosen and not stops:
        stops.append(f"Nothing can be trained. {tissue.warning}".strip())
    return Training(
        tasks=tuple(chosen),
        model_tasks=kept,
        warnings=(
            *(warnings if dropped else ()),
            *_unchecked(kept, tiles),
            *((tissue.warning,) if tissue.warning else ()),
        ),
        stops=tuple(stops),
        new_head=tissue.new_head,
    )


def learning_tiles(training: Training, tiles: Sequence[Tile]) -> list[Tile]:
    """Tiles that teach at least one of the tasks: for the tissue type those whose category a person confirmed."""
    tissue = TISSUE in training.tasks
    return [tile for tile in tiles if tile.tasks & set(training.tasks) or (tissue and TISSUE not in tile.unchecked)]


def _why_missing(key: str, tiles: Sequence[Tile]) -> str:
    if any(key in tile.unchecked for tile in tiles):
        return f"No pair says that all {key} in it are right, so none can be learned from; check them and export again."
    return f"The pairs have no labels of {key} that the base model could learn from."


def _unchecked(kept: Sequence[TaskSpec], tiles: Sequence[Tile]) -> Iterator[str]:
    """What is there but not learned from, because nobody said that it is right."""
    for task in kept:
        key, number = task.key, sum(task.key in tile.unchecked for tile in tiles)
        if not number:
            continue
        if key == TISSUE:
            yield f"In {number:,} of {counted(len(tiles), 'pair')} nobody confirmed the category; it is not learned."
        elif any(key in tile.tasks for tile in tiles):
            yield (
                f"In {number:,} of {counted(len(tiles), 'pair')} nobody said that all {key} are right; there {key} are "
                "neither learned nor compared."
            )
        else:
            yield f"Nobody said that all {key} of any pair are right, so {key} are neither learned nor compared."


@dataclass(frozen=True, kw_only=True)
class _Tissue:
    """``classes``: of a new head; empty where the base model's head stays."""

    learns: bool = False
    classes: tuple[str, ...] = ()
    warning: str = ""
    new_head: str = ""


def _tissue(asked: bool, free: bool, classes: Sequence[str], categories: Sequence[str]) -> _Tissue:
    """Whether the tissue head learns, and whether it must be made anew."""
    if not (asked or free):
        return _Tissue()
    if len(categories) < 2:
        return _Tissue(warning="All pairs are of one category, so the tissue type is not trained.")
    unknown = [name for name in categories if name not in classes]
    if unknown:
        named = ", ".join(categories)
        sentence = f"The base model does not know {', '.join(unknown)}: a new tissue head is made for {named}."
        return _Tissue(learns=True, classes=tuple(categories), new_head=sentence)
    absent = [name for name in classes if name not in categories]
    if absent and not asked:
        return _Tissue(
            warning=f"The tissue type is not trained: there are no pairs of {', '.join(absent)}, which it would forget."
        )
    if absent:
        return _Tissue(learns=True, warning=f"There are no pairs of {', '.join(absent)}; the model may forget them.")
    return _Tissue(learns=True)
