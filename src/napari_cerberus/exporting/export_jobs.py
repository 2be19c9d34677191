"""The two jobs of an export, as plain generators: what would be written, and the writing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..errors import CerberusError
from ..pairs.layout.ebhi import parse_name
from ..pairs.words import counted
from ..pairs.write.export_plan import ExportPlan, Status, plan_export
from ..pairs.write.export_source import ExportSettings, ExportSource
from ..pairs.write.write_pairs import ExportResult, write_export
from ..progress import Job, Progress

MAX_THUMBNAILS = 24
THUMBNAIL_PX = 96
_STEPS = 1000
Place = tuple[str, int, int]
"""Patient, block and magnification: what running numbers are counted in."""
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class PreviewPair:
    """One pair that would be written.

    Attributes
    ----------
    image : str
        Name of the image it is cut from.
    name : str
    category : str
    status : {"new", "same", "changed"}
    objects : int
        Objects in the mask.
    thumbnail : (h, 2 h, 3) uint8 array or None
        The image beside its mask; None past the first few.
    """

    image: str
    name: str
    category: str
    status: Status
    objects: int
    thumbnail: np.ndarray[Any, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What an export would do.

    Attributes
    ----------
    pairs : tuple of PreviewPair
    summaries, notes : tuple of str
        Sentences, one or more an image.
    problems : tuple of str
        Why images cannot be exported.
    """

    pairs: tuple[PreviewPair, ...] = ()
    summaries: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def count(self, status: Status) -> int:
        """Pairs of one status."""
        return sum(pair.status == status for pair in self.pairs)

    @property
    def headline(self) -> str:
        """ "3 new pairs, 1 there already"."""
        new, same, changed = (self.count(status) for status in ("new", "same", "changed"))
        parts = [counted(new, "new pair")]
        parts += [f"{same:,} there already"] if same else []
        parts += [f"{changed:,} changed since the last export"] if changed else []
        return ", ".join(parts)


@dataclass(frozen=True, kw_only=True)
class ExportTask:
    """One image to export.

    Attributes
    ----------
    name : str
        For the user.
    read : callable
        Gives the annotated image; slow. Raises ``CerberusError``.
    settings : callable
        The choices for it, once it was read. Raises ``CerberusError``.
    """

    name: str
    read: Callable[[], ExportSource]
    settings: Callable[[ExportSource], ExportSettings]


@dataclass
class Outcome:
    """What became of an export; filled while it runs, so that it is known where a cancel came."""

    root: Path
    results: list[ExportResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def written(self) -> int:
        """Number of pairs."""
        return sum(len(result.written) for result in self.results)

    @property
    def sentence(self) -> str:
        """For the user."""
        there = sum(result.skipped for result in self.results)
        replaced = sum(len(result.replaced) for result in self.results)
        parts = [f"{counted(self.written, 'pair')} written into {self.root}"]
        parts += [f"{replaced:,} of them in place of older ones"] if replaced else []
        parts += [f"{there:,} there already"] if there else []
        return "; ".join(parts) + "."


def preview_job(root: Path, export_tasks: Sequence[ExportTask]) -> Job[Preview]:
    """Plan every image; one that cannot be exported becomes a problem, the others are shown all the same."""
    whole = Preview()
    written: Counter[Place] = Counter()
    for number, order in enumerate(export_tasks):
        try:
            plan = yield from _within(_plan(root, order), order.name, number, len(export_tasks))
        except CerberusError as error:
            whole = replace(whole, problems=(*whole.problems, _named(order.name, error)))
            continue
        whole = _with_plan(whole, plan, written)
    return whole


def export_job(outcome: Outcome, export_tasks: Sequence[ExportTask]) -> Job[Outcome]:
    """Plan and write one image after the other; one that fails does not stop the others."""
    for number, order in enumerate(export_tasks):
        try:
            yield from _within(_export(outcome, order), order.name, number, len(export_tasks))
        except CerberusError as error:
            outcome.failed.append(_named(order.name, error))
    return outcome


def _plan(root: Path, order: ExportTask) -> Job[ExportPlan]:
    yield Progress(f"Reading {order.name}")
    source = order.read()
    return (yield from plan_export(root, source, order.settings(source)))


def _export(outcome: Outcome, order: ExportTask) -> Job[None]:
    plan = yield from _plan(outcome.root, order)
    outcome.notes.extend(plan.notes)
    outcome.results.append((yield from write_export(plan)))


def _within(job: Job[Result], name: str, number: int, total: int) -> Job[Result]:
    """A job of one image among ``total``: its stage says which, its share is that of all of them."""
    if total == 1:
        return (yield from job)
    try:
        while True:
            try:
                step = next(job)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]
            done = round(_STEPS * (number + (step.fraction or 0.0)))
            yield Progress(f"Image {number + 1} of {total}, {name}", done, _STEPS * total, step.message)
    finally:
        job.close()


def _with_plan(preview: Preview, plan: ExportPlan, written: Counter[Place]) -> Preview:
    """``preview`` and what ``plan`` adds to it; ``written`` counts the new names of each place so far."""
    settings = plan.settings
    place = (plan.patient_digits, settings.block, settings.magnification)
    new_category = (f"The category “{settings.category}” is new and will be made.",) if plan.new_category else ()
    notes = dict.fromkeys((*preview.notes, *new_category, *plan.notes))
    shown = replace(
        preview,
        pairs=(*preview.pairs, *_preview_pairs(plan, written[place], MAX_THUMBNAILS - len(preview.pairs))),
        summaries=(*preview.summaries, _summary(plan)),
        notes=tuple(notes),
    )
    written[place] += sum(pair.status != "same" for pair in plan.pairs)
    return shown


def _moved(name: str, by: int) -> str:
    parts = parse_name(name)
    return str(replace(parts, number=parts.number + by)) if parts is not None else name


def _preview_pairs(plan: ExportPlan, offset: int, thumbnails: int) -> Iterator[PreviewPair]:
    """The plan's pairs, with the names they will have once ``offset`` others of the same place were written."""
    for index, pair in enumerate(plan.pairs):
        yield PreviewPair(
            image=plan.source.name,
            name=pair.name if pair.status == "same" else _moved(pair.name, offset),
            category=plan.settings.category,
            status=pair.status,
            objects=pair.objects,
            thumbnail=plan.thumbnail(index, THUMBNAIL_PX) if index < thumbnails else None,
        )


def _summary(plan: ExportPlan) -> str:
    left_out = "".join(f"; {_tiles(number)} left out ({reason})" for reason, number in plan.left_out.items())
    return (
        f"{plan.source.name}: {_tiles(len(plan.pairs))} at {plan.canvas.pixel_size_um:.3g} µm/px, "
        f"patient {plan.patient}{left_out}."
    )


def _tiles(number: int) -> str:
    return counted(number, "tile")


def _named(name: str, error: CerberusError) -> str:
    return str(error) if name in str(error) else f"“{name}”: {error}"
