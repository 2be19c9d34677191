"""Learning in the open image: finished areas teach the decoders of what was finished there, and a guard decides.

The encoder stays as it is and runs once for each mirrored view, on the grid of each pixel size that the finished tasks
have. For every finished task, each half of the area teaches a copy of the decoder for half as many steps, and the other
half judges it; where both judgements allow it, the whole area teaches a decoder, and as much of it as they allow goes
into the child. Nothing given is ever changed, so closing the generator leaves all as it was.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..annotation.finished_areas import FinishedArea
from ..errors import CerberusError, DataError, DeviceError
from ..inference.device import Runtime, choose_runtime
from ..inference.predict import is_out_of_memory
from ..inference.prepared_network import ready
from ..model.checkpoint import Model
from ..model.network import Cerberus
from ..progress import Job, Progress
from ..training.evaluation.metrics.pixel_metrics import compare_pixels
from .adapted_model import Adapted, Round, TaskGain, child_of
from .decoder_steps import Page, State, decoder_state, fit, mixed
from .finished_ground import task_pixel_size_um
from .guard import Fold, choose, drifts, folds, lost, why_not
from .held_out import Sums, probabilities, scored
from .kept_features import Axes, Features, bytes_per_px, read_features
from .learn_settings import LearnSettings
from .lessons import Lesson, Material, by_pixel_size, prepare

VIEWS = ((), (0, 1))
"""Axes along which the image is mirrored for learning."""


def learn(
    lessons: Sequence[Lesson], model: Model, settings: LearnSettings | None = None, *, earlier: Adapted | None = None
) -> Job[Adapted]:
    """Let a model learn from the finished areas of one image or several.

    Parameters
    ----------
    lessons : sequence of Lesson
        All finished areas, those of earlier rounds too.
    model : Model
        The base model, the same in every round; left as it is.
    settings : LearnSettings, optional
    earlier : Adapted, optional
        The last round's result: learning goes on from it, judged by what was finished since.

    Yields
    ------
    Progress
        At every tile, step and judgement; closing the generator there cancels.

    Returns
    -------
    Adapted
        ``changed`` is False where nothing was gained; ``sentence`` says what happened.

    Raises
    ------
    DataError
        If there is no finished area, or layers and image do not fit.
    DeviceError
        If the device is absent or memory is short.
    CerberusError
        If the computation fails in any other way; never ``RuntimeError``.
    """
    try:
        return (yield from _learn(lessons, model, settings or LearnSettings(), earlier))
    except (MemoryError, RuntimeError) as error:  # napari's workers swallow RuntimeError
        if is_out_of_memory(error):
            raise DeviceError("There is not enough memory to learn from this image; finish a smaller area.") from error
        raise CerberusError(f"Learning failed: {error}") from error


@dataclass(frozen=True, kw_only=True, eq=False)
class _Desk:
    """What every step of a round works with; ``views`` are by sheet, the image as it is first."""

    model: Model
    network: Cerberus
    material: Material
    views: Sequence[Sequence[Features]]
    settings: LearnSettings
    runtime: Runtime


def _learn(lessons: Sequence[Lesson], model: Model, settings: LearnSettings, earlier: Adapted | None) -> Job[Adapted]:
    started = time.perf_counter()
    yield Progress("Looking at the finished areas")
    if not lessons:
        raise DataError("There is no image to learn from; mark an area of an image as finished first.")
    runtime = choose_runtime(settings.device)
    start = earlier.model if earlier is not None else model
    rounds = earlier.rounds if earlier is not None else ()
    each = settings.memory_bytes // (len(lessons) * len(VIEWS))
    most_px = max(1, each // bytes_per_px(ready(start.network, runtime), runtime))
    state, notes = State(), tuple[str, ...]()
    gains: list[TaskGain] = []
    features: dict[tuple[str, float], Features] = {}
    for size_um, part in by_pixel_size(lessons, model.spec).items():
        material = prepare(part, model.spec, _learned(rounds), most_px)
        notes += material.notes
        told, learned, kept = yield from _group(start, material, settings, runtime)
        gains += told
        state |= learned
        features |= {(part[place].name, size_um): view for place, view in kept.items()}
    areas = {lesson.name: lesson.areas for lesson in lessons}
    this = Round(areas=areas, settings=settings, gains=tuple(gains))
    rounds = (*rounds, this) if state else rounds
    return Adapted(
        model=child_of(start, model, state, rounds) if state else start,
        base=model,
        rounds=rounds,
        gains=tuple(gains),
        changed=bool(state),
        sentence=_sentence(gains),
        notes=tuple(dict.fromkeys(notes)),
        seconds=time.perf_counter() - started,
        features=features if rounds else {},
    )


def _group(
    start: Model, material: Material, settings: LearnSettings, runtime: Runtime
) -> Job[tuple[list[TaskGain], State, dict[int, Features]]]:
    """Teach the finished tasks of one pixel size; the features are of sheets that are whole, by their number."""
    reasons = {task: why_not(material.of(task), task) for task in material.tasks}
    able = tuple(task for task in material.tasks if not reasons[task])
    gains = [_none(task, reasons[task]) for task in material.tasks if reasons[task]]
    state = State()
    if not able:
        return gains, state, {}
    network = copy.deepcopy(start.network).eval().to(runtime.device)
    mirrored = []
    for axes in VIEWS:
        mirrored += [(yield from _read_all(material, network, runtime, axes))]
    desk = _Desk(
        model=start,
        network=network,
        material=material,
        views=list(zip(*mirrored, strict=True)),
        settings=settings,
        runtime=runtime,
    )
    for number, task in enumerate(able):
        gain, learned = yield from _taught(desk, task, number)
        gains.append(gain)
        state |= learned
    return gains, state, {place: desk.views[place][0] for place, sheet in enumerate(material.sheets) if sheet.whole}


def _learned(rounds: Sequence[Round]) -> dict[str, tuple[FinishedArea, ...]]:
    """Areas that earlier rounds learned from, by name of the image."""
    areas: dict[str, tuple[FinishedArea, ...]] = {}
    for one in rounds:
        for name, more in one.areas.items():
            areas[name] = (*areas.get(name, ()), *more)
    return areas


def _read_all(material: Material, network: Cerberus, runtime: Runtime, mirrored: Axes = ()) -> Job[list[Features]]:
    prepared = ready(network, runtime)
    views: list[Features] = []
    for sheet in material.sheets:
        views += [(yield from read_features(sheet.image, prepared, runtime, mirrored=mirrored))]
    return views


def _taught(desk: _Desk, task: str, number: int) -> Job[tuple[TaskGain, State]]:
    """What one task gained, and its new weights; none where the held-out halves do not allow it."""
    base = decoder_state(desk.network, task)
    before: list[Sums] = []
    after: dict[float, list[Sums]] = {keep: [] for keep in desk.settings.keep}
    trial = replace(desk.settings, steps=max(1, desk.settings.steps // 2))
    for half, fold in enumerate(folds(desk.material.of(task))):
        before.append(_judged(desk, task, base, fold))
        new = yield from _fitted(desk, task, fold, trial, [trial.seed, number, half])
        for keep in desk.settings.keep:
            yield Progress(f"Checking what was learned of {task}")
            after[keep].append(_judged(desk, task, mixed([base, new], [1 - keep, keep]), fold))
        if lost(before[-1], {keep: after[keep][-1] for keep in after}):
            return _unchanged(task), {}
    verdict = choose(before, after)
    if not verdict.keep:
        return _unchanged(task), {}
    new = yield from _fitted(desk, task, {}, desk.settings, [desk.settings.seed, number, len(before)])
    state = mixed([base, new], [1 - verdict.keep, verdict.keep])
    yield Progress(f"Checking what was learned of {task}")
    if _drifts(desk, task, base, state):
        return _unchanged(task), {}
    return TaskGain(task=task, keep=verdict.keep, before=verdict.before, after=verdict.after), state


def _unchanged(task: str) -> TaskGain:
    return _none(task, f"{task.capitalize()}: nothing was gained on the part kept for checking.")


def _fitted(desk: _Desk, task: str, fold: Fold, settings: LearnSettings, seed: Sequence[int]) -> Job[State]:
    """A decoder that learned from all that is finished but the held-out ``fold``."""
    pages = []
    size_um = task_pixel_size_um(desk.model.spec, task)
    for place, ground in desk.material.of(task):
        known = ground.counted & ~fold[place] if place in fold else ground.counted
        target, weights = ground.teaching(known, task, size_um)
        if weights.any():
            pages.append(Page(views=tuple(desk.views[place]), target=target, weights=weights))
    twin = copy.deepcopy(desk.network).to(memory_format=torch.channels_last)
    return (yield from fit(twin, task, pages, settings, desk.runtime, seed))


def _judged(desk: _Desk, task: str, state: Mapping[str, Tensor], fold: Fold) -> Sums:
    twin = _with(desk.network, state)
    parts = [
        (desk.views[place][0], ground, fold[place]) for place, ground in desk.material.of(task) if fold[place].any()
    ]
    return scored(twin, desk.model, task, parts, desk.runtime)


def _with(network: Cerberus, state: Mapping[str, Tensor]) -> Cerberus:
    twin = copy.deepcopy(network)
    twin.load_state_dict(dict(state), strict=False)
    return twin


def _drifts(desk: _Desk, task: str, base: State, state: State) -> bool:
    """Whether the answer changes far more elsewhere than in the finished area."""
    networks = [_with(desk.network, weights) for weights in (base, state)]
    checked = elsewhere = np.zeros(3)
    for place, ground in desk.material.of(task):
        view = desk.views[place][0]
        old, new = (
            probabilities(network, desk.model, task, view, view.whole, desk.runtime).sum(0) > 0.5
            for network in networks
        )
        for inside in (True, False):
            part = ground.counted == inside
            sums = compare_pixels(old & part, new & part)
            counts = np.array([sums.tp, sums.fp, sums.fn], float)
            checked, elsewhere = (checked + counts, elsewhere) if inside else (checked, elsewhere + counts)
    return drifts(_dice(checked), _dice(elsewhere))


def _dice(counts: np.ndarray) -> float:
    both = 2 * counts[0] + counts[1] + counts[2]
    return float(2 * counts[0] / both) if both else 1.0


def _none(task: str, reason: str) -> TaskGain:
    return TaskGain(task=task, keep=0.0, before=math.nan, after=math.nan, reason=reason)


def _sentence(gains: Sequence[TaskGain]) -> str:
    """What happened, for the user."""
    told = [f"{one.task} from {one.before:.2f} to {one.after:.2f}" for one in gains if not one.reason]
    reasons = [one.reason for one in gains if one.reason]
    first = f"Better where it was checked: {', '.join(told)}." if told else "Nothing was changed."
    return " ".join([first, *reasons])
