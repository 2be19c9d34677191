"""How good a decoder is on a part of the finished area, as the user sees it: objects, not pixels alone."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from ..inference.annotate_settings import AnnotateSettings
from ..inference.cut_objects import object_settings_of
from ..inference.device import Runtime
from ..inference.grid.model_grid import Window, round_up
from ..inference.objects.postprocess import find_objects
from ..inference.objects.repair import repair
from ..model.checkpoint import Model
from ..model.network import Cerberus
from ..training.evaluation.metrics.object_metrics import compare_objects, object_dice, pq
from ..training.evaluation.metrics.pixel_metrics import compare_pixels, dice
from .finished_ground import Ground, Labels, Mask, task_pixel_size_um
from .kept_features import Features

Sums = dict[str, float]
Shares = NDArray[np.float32]
_SEEN = 0.5


def probabilities(
    network: Cerberus, model: Model, task: str, features: Features, window: Window, runtime: Runtime
) -> Shares:
    """Inner and contour probabilities of a part of an image, (2, h, w), from its features."""
    seen = window.grown(round_up(network.decoder_reach_px), features.whole)
    with torch.no_grad(), torch.autocast(runtime.device.type, torch.bfloat16, enabled=runtime.dtype == torch.bfloat16):
        logits = network.decode(features.crop(seen), [task])[task].float()
    inner = window.inside(seen)
    shares = torch.softmax(logits[0] / model.spec.temperatures.get(task, 1.0), dim=0)[1:]
    return np.asarray(shares[(slice(None), *inner.slices)].cpu().numpy(), np.float32)


def found(model: Model, task: str, inner: Shares, contour: Shares) -> Labels:
    """Objects of a part of an image, (h, w), on the model grid, from its probabilities."""
    size_um = task_pixel_size_um(model.spec, task)
    settings = AnnotateSettings(pixel_size_um=size_um)
    labels = find_objects(task, inner, contour, size_um, object_settings_of(task, model, settings))
    return repair(task, labels, contour, size_um, settings.repair)


def scored(
    network: Cerberus,
    model: Model,
    task: str,
    parts: Iterable[tuple[Features, Ground, Mask]],
    runtime: Runtime,
) -> Sums:
    """What a network is worth on parts of finished areas: sums over all of them.

    Pixels are compared before they are made objects: whether a gland of a half is found at all is a matter of chance,
    how much of it is seen is less so.
    """
    total: Sums = {}
    for features, ground, part in parts:
        window = box_of(part)
        counted = part[window.slices]
        inner, contour = probabilities(network, model, task, features, window, runtime)
        truth = np.where(counted, ground.labels[window.slices], 0)
        predicted = np.where(counted, found(model, task, inner, contour), 0)
        seen = counted & (inner + contour > _SEEN)
        sums = {**compare_objects(truth, predicted).sums(), **compare_pixels(truth > 0, seen).sums()}
        total = {name: total.get(name, 0.0) + value for name, value in sums.items()}
    return total


def quality(sums: Sums) -> float:
    """Half the pixel Dice, half the mean of object Dice and PQ, 0..1; 1 where nothing is drawn or found."""
    arrays = {name: np.asarray(value) for name, value in sums.items()}
    objects = np.nan_to_num([object_dice(arrays), pq(arrays)], nan=pixel_dice(sums))
    return float((pixel_dice(sums) + objects.mean()) / 2)


def pixel_dice(sums: Sums) -> float:
    """Dice of pixels, 0..1; 1 where nothing is drawn and nothing was found."""
    return float(np.nan_to_num(dice(sums["tp"], sums["fp"], sums["fn"]), nan=1.0))


def together(some: Iterable[Sums]) -> Sums:
    """Sums of several parts."""
    total: Sums = {}
    for sums in some:
        total = {name: total.get(name, 0.0) + value for name, value in sums.items()}
    return total


def box_of(part: Mask) -> Window:
    """The smallest window of cells of 16 px around a part of an image that has some pixels."""
    rows, columns = (np.flatnonzero(part.any(axis=axis)) for axis in (1, 0))
    return Window(
        int(rows[0]) // 16 * 16,
        int(columns[0]) // 16 * 16,
        round_up(int(rows[-1]) + 1),
        round_up(int(columns[-1]) + 1),
    )
