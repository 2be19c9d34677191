"""Which tasks the pairs can teach a base model, and whether its tissue head fits them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..model.spec import ModelSpec
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
        With all tasks they have labels for.
    """
    kept = kept_tasks(base)
    dropped = [task.key for task in base.tasks if task not in kept]
    warnings = [f"The new model will not tell {', '.join(dropped)}: a training config cannot name its classes."]
    labelled = Counter(key for tile in tiles for key in tile.tasks)
    dense = [task.key for task in kept if task.kind != "tissue" and labelled[task.key]]
    chosen = [key for key in dense if not wanted or key in wanted]
    missing = [key for key in wanted if key != TISSUE and key not in dense]
    stops = [f"The pairs have no labels of {key} that the base model could learn from." for key in missing]
    tissue = _tissue(TISSUE in wanted, not wanted, base.tissue_classes, sorted({tile.stratum for tile in tiles}))
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
        warnings=(*(warnings if dropped else ()), *((tissue.warning,) if tissue.warning else ())),
        stops=tuple(stops),
        new_head=tissue.new_head,
    )


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
