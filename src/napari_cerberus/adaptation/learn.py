"""Learning in the open image: finished areas teach the decoders of what was finished there, and a guard decides.

The encoder stays as it is and runs once (twice for each share of the image's statistics that is tried). Steps: the
image's normalisation statistics, where the finished area gains by them; then, for every finished task, each half of the
area teaches a copy of the decoder and the other half judges it; the mean of both copies, as much of it as the
judgements allow, goes into the child. Nothing given is ever changed, so closing the generator leaves all as it was.
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
from ..inference.grid.model_grid import pad_to_stride
from ..inference.prepared_network import fused
from ..model.checkpoint import Model
from ..model.network import Cerberus
from ..progress import Job, Progress
from ..training.evaluation.metrics.pixel_metrics import compare_pixels
from .adapted_model import Adapted, Round, TaskGain, child_of
from .decoder_steps import Page, State, decoder_state, fit, mixed
from .finished_ground import Ground, Mask, task_pixel_size_um
from .guard import Fold, choose, choose_statistics, drifts, folds, lost, why_not
from .held_out import Sums, probabilities, quality, scored
from .image_statistics import with_statistics
from .kept_features import Axes, Features, bytes_per_px, read_features
from .learn_settings import LearnSettings
from .lessons import Lesson, Material, Sheet, prepare

VIEWS = ((), (0, 1))
"""Axes along which the image is mirrored for learning."""
_STATISTICS_PX = 768
"""Statistics are taken from at most a square of this side."""


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
    except MemoryError as error:
        raise DeviceError("There is not enough memory to learn from this image; finish a smaller area.") from error
    except RuntimeError as error:  # napari's workers swallow RuntimeError
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
    runtime = learning_runtime(settings)
    start = earlier.model if earlier is not None else model
    rounds = earlier.rounds if earlier is not None else ()
    each = settings.memory_bytes // (len(lessons) * len(VIEWS))
    most_px = max(1, each // bytes_per_px(ready(start.network, runtime), runtime))
    material = prepare(lessons, model.spec, _learned(rounds), most_px)
    reasons = {task: why_not(material.of(task), task) for task in material.tasks}
    able = tuple(task for task in material.tasks if not reasons[task])
    gains = [_none(task, reasons[task]) for task in material.tasks if reasons[task]]
    notes, state, share = material.notes, State(), 0.0
    network, features = start.network, {}
    if able:
        desk, share, before = yield from _with_statistics(start, material, able, settings, runtime, fresh=not rounds)
        network = desk.network
        for number, task in enumerate(able):
            gain, learned = yield from _taught(desk, task, number, before[task])
            gains.append(gain)
            state |= learned
        features = {one.name: desk.views[i][0] for i, one in enumerate(lessons) if material.sheets[i].whole}
    changed = bool(state) or share > 0
    areas = {lesson.name: lesson.areas for lesson in lessons}
    this = Round(areas=areas, settings=settings, statistics=share, gains=tuple(gains))
    rounds = (*rounds, this) if changed else rounds
    return Adapted(
        model=child_of(start, model, network, state, rounds) if changed else start,
        base=model,
        rounds=rounds,
        gains=tuple(gains),
        changed=changed,
        sentence=_sentence(gains, share),
        notes=notes,
        seconds=time.perf_counter() - started,
        features=features if changed or rounds else {},
    )


def learning_runtime(settings: LearnSettings) -> Runtime:
    """Where learning runs: as annotating does, but always in torch."""
    runtime = choose_runtime(settings.device)
    return replace(runtime, engine="torch") if runtime.engine != "torch" else runtime


def ready(network: Cerberus, runtime: Runtime) -> Cerberus:
    """A fused copy for running the encoder."""
    return fused(network).to(runtime.device, runtime.dtype).to(memory_format=torch.channels_last)


def _learned(rounds: Sequence[Round]) -> dict[str, tuple[FinishedArea, ...]]:
    """Areas that earlier rounds learned from, by name of the image."""
    areas: dict[str, tuple[FinishedArea, ...]] = {}
    for one in rounds:
        for name, more in one.areas.items():
            areas[name] = (*areas.get(name, ()), *more)
    return areas


def _with_statistics(
    start: Model, material: Material, able: Sequence[str], settings: LearnSettings, runtime: Runtime, *, fresh: bool
) -> Job[tuple[_Desk, float, dict[str, Sums]]]:
    """The network with the best share of the images' statistics, its features, and what the area is worth with it."""
    shares = (0.0, *(share for share in settings.statistics if share and fresh))
    images = [_pixels(sheet) for sheet in material.sheets]
    sums: dict[float, dict[str, Sums]] = {}
    best: tuple[float, Cerberus, list[Features]] | None = None
    for share in shares:
        network = with_statistics(start.network, images, share, tuple(able)).to(runtime.device)
        views = yield from _read_all(material, network, runtime)
        sums[share] = {task: scored(network, start, task, _all_of(material, task, views), runtime) for task in able}
        if best is None or choose_statistics(sums) == share:
            best = share, network, views
    assert best is not None  # the share 0 is always tried
    share, network, views = best
    mirrored = []
    for axes in VIEWS[1:]:
        mirrored += [(yield from _read_all(material, network, runtime, axes))]
    desk = _Desk(
        model=start,
        network=network,
        material=material,
        views=list(zip(views, *mirrored, strict=True)),
        settings=settings,
        runtime=runtime,
    )
    return desk, share, sums[0.0] if share else {task: {} for task in able}


def _read_all(material: Material, network: Cerberus, runtime: Runtime, mirrored: Axes = ()) -> Job[list[Features]]:
    prepared = ready(network, runtime)
    views: list[Features] = []
    for sheet in material.sheets:
        views += [(yield from read_features(sheet.image, prepared, runtime, mirrored=mirrored))]
    return views


def _pixels(sheet: Sheet) -> Tensor:
    padded = pad_to_stride(sheet.image)
    corner = np.ascontiguousarray(padded[:_STATISTICS_PX, :_STATISTICS_PX])
    return torch.from_numpy(corner).permute(2, 0, 1)[None].float()


def _all_of(material: Material, task: str, views: Sequence[Features]) -> list[tuple[Features, Ground, Mask]]:
    return [(views[place], ground, ground.counted) for place, ground in material.of(task)]


def _taught(desk: _Desk, task: str, number: int, plain: Sums) -> Job[tuple[TaskGain, State]]:
    """What one task gained, and its new weights; none where the held-out halves do not allow it.

    ``plain`` is what the finished area is worth without the image's statistics; empty where none were mixed in.
    """
    base = decoder_state(desk.network, task)
    before: list[Sums] = []
    after: dict[float, list[Sums]] = {keep: [] for keep in desk.settings.keep}
    learned: list[State] = []
    for half, fold in enumerate(folds(desk.material.of(task))):
        before.append(_judged(desk, task, base, fold))
        new = yield from _fitted(desk, task, fold, [desk.settings.seed, number, half])
        learned.append(new)
        for keep in desk.settings.keep:
            yield Progress(f"Checking what was learned of {task}")
            after[keep].append(_judged(desk, task, mixed([base, new], [1 - keep, keep]), fold))
        if lost(before[-1], {keep: after[keep][-1] for keep in after}):
            return _unchanged(desk, task, plain), {}
    verdict = choose(before, after)
    if not verdict.keep:
        return _unchanged(desk, task, plain), {}
    share = verdict.keep / len(learned)
    state = mixed([base, *learned], [1 - verdict.keep, *[share] * len(learned)])
    if _drifts(desk, task, base, state):
        return _unchanged(desk, task, plain), {}
    gain = TaskGain(task=task, keep=verdict.keep, before=verdict.before, after=verdict.after)
    return gain, state


def _unchanged(desk: _Desk, task: str, plain: Sums) -> TaskGain:
    """A decoder stays as it was: then only the image's statistics may have helped."""
    if not plain:
        return _none(task, f"{task.capitalize()}: nothing was gained on the part kept for checking.")
    parts = _all_of(desk.material, task, [views[0] for views in desk.views])
    after = quality(scored(desk.network, desk.model, task, parts, desk.runtime))
    return TaskGain(task=task, keep=0.0, before=quality(plain), after=after)


def _fitted(desk: _Desk, task: str, fold: Fold, seed: Sequence[int]) -> Job[State]:
    pages = []
    size_um = task_pixel_size_um(desk.model.spec, task)
    for place, ground in desk.material.of(task):
        target, weights = ground.teaching(ground.counted & ~fold[place], task, size_um)
        if weights.any():
            pages.append(Page(views=tuple(desk.views[place]), target=target, weights=weights))
    twin = copy.deepcopy(desk.network).to(memory_format=torch.channels_last)
    return (yield from fit(twin, task, pages, desk.settings, desk.runtime, seed))


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


def _sentence(gains: Sequence[TaskGain], share: float) -> str:
    """What happened, for the user."""
    better = [one for one in gains if not one.reason]
    told = [f"{one.task} from {one.before:.2f} to {one.after:.2f}" for one in better]
    reasons = [one.reason for one in gains if one.reason]
    if not told:
        return " ".join(["Nothing was changed.", *reasons])
    how = "" if any(one.keep for one in better) else " by the image's own colours alone"
    return " ".join([f"Better where it was checked{how}: {', '.join(told)}.", *reasons])
