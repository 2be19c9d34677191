"""Teaching one decoder from the finished parts of some images, from kept features; the encoder stays as it is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..inference.device import Runtime
from ..inference.grid.model_grid import Window
from ..model.network import Cerberus
from ..model.spec import STRIDE_PX
from ..progress import Job, Progress
from ..training.engine.losses import dense_loss
from .kept_features import Features
from .learn_settings import LearnSettings

State = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class Page:
    """One image to learn a task from.

    Attributes
    ----------
    views : tuple of Features
        Of the image as it is, and of mirrored copies.
    target : (h, w) uint8 array
        Padded as the features are.
    weights : (h, w) float32 array
        0 where nothing is known.
    """

    views: tuple[Features, ...]
    target: NDArray[np.uint8]
    weights: NDArray[np.float32]


def decoder_state(network: Cerberus, task: str) -> State:
    """Weights and statistics of a task's decoder and head, copied, by their names in the network."""
    return {
        name: value.detach().clone()
        for name, value in network.state_dict().items()
        if name.startswith((f"decoders.{task}.", f"heads.{task}."))
    }


def fit(
    network: Cerberus, task: str, pages: Sequence[Page], settings: LearnSettings, runtime: Runtime, seed: Sequence[int]
) -> Job[State]:
    """Teach ``network``'s decoder of ``task``; returns its weights. The network given is changed: hand in a copy.

    Yields
    ------
    Progress
        Before every step.
    """
    rng = np.random.default_rng(list(seed))
    parts = (network.decoders[task], network.heads[task])
    network.requires_grad_(False)
    for part in parts:
        # it normalises by the crops it learns from: with the statistics it came with, it learned next to nothing
        part.requires_grad_(True).train()
    optimiser = _optimiser(parts, settings)
    odds = np.array([np.count_nonzero(page.weights) for page in pages], float)
    shapes = [page.target.shape for page in pages]
    sides = [min(settings.crop_px, *(shape[axis] for shape in shapes)) for axis in (0, 1)]
    for step in range(settings.steps):
        yield Progress(f"Learning {task}", step, settings.steps)
        rate = settings.learning_rate * 0.5 * (1 + math.cos(math.pi * step / settings.steps))
        for group in optimiser.param_groups:
            group["lr"] = rate
        chosen = rng.choice(len(pages), size=settings.batch, p=odds / odds.sum())
        drawn = [_crop(pages[place], sides, rng) for place in chosen]
        _step(network, task, drawn, optimiser, settings, runtime)
    network.requires_grad_(False).eval()
    return decoder_state(network, task)


def _optimiser(parts: Sequence[nn.Module], settings: LearnSettings) -> torch.optim.Optimizer:
    taught = [parameter for part in parts for parameter in part.parameters()]
    groups = [
        {"params": [p for p in taught if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in taught if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate)


@dataclass(frozen=True, eq=False)
class _Crop:
    levels: tuple[Tensor, ...]
    target: NDArray[np.uint8]
    weights: NDArray[np.float32]


def _crop(page: Page, sides: Sequence[int], rng: np.random.Generator) -> _Crop:
    view = page.views[rng.integers(len(page.views))]
    y, x = _centre(page, rng)
    window = _window_around(y, x, sides, view.whole.shape, rng)
    seen = _mirrored(window, view)
    target = np.flip(page.target[window.slices], view.mirrored)
    weights = np.flip(page.weights[window.slices], view.mirrored)
    return _Crop(levels=view.crop(seen), target=target, weights=weights)


def _centre(page: Page, rng: np.random.Generator) -> tuple[int, int]:
    """A pixel that counts; every second time one of an object."""
    candidates = page.weights > 0
    if rng.random() < 0.5 and (objects := candidates & (page.target > 0)).any():
        candidates = objects
    places = np.flatnonzero(candidates)
    y, x = np.unravel_index(places[rng.integers(len(places))], candidates.shape)
    return int(y), int(x)


def _window_around(y: int, x: int, sides: Sequence[int], shape: tuple[int, int], rng: np.random.Generator) -> Window:
    """A window of cells of 16 px that holds the pixel, anywhere in it."""
    edges = []
    for centre, side, limit in zip((y, x), sides, shape, strict=True):
        lowest, highest = max(0, centre - side + 1), min(centre, limit - side)
        first, last = -(-lowest // STRIDE_PX), highest // STRIDE_PX
        edges.append(int(rng.integers(first, max(first, last) + 1)) * STRIDE_PX)
    return Window(edges[0], edges[1], edges[0] + sides[0], edges[1] + sides[1])


def _mirrored(window: Window, view: Features) -> Window:
    height, width = view.whole.shape
    y0, x0, y1, x1 = window.y0, window.x0, window.y1, window.x1
    if 0 in view.mirrored:
        y0, y1 = height - y1, height - y0
    if 1 in view.mirrored:
        x0, x1 = width - x1, width - x0
    return Window(y0, x0, y1, x1)


def _step(
    network: Cerberus,
    task: str,
    drawn: Sequence[_Crop],
    optimiser: torch.optim.Optimizer,
    settings: LearnSettings,
    runtime: Runtime,
) -> None:
    device = runtime.device
    levels = [torch.cat(maps) for maps in zip(*(one.levels for one in drawn), strict=True)]
    target = torch.from_numpy(np.stack([one.target for one in drawn])).to(device)
    weights = torch.from_numpy(np.stack([one.weights for one in drawn])).to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=runtime.dtype == torch.bfloat16):
        logits = network.decode(levels, [task])[task].float()
    loss = dense_loss(logits, target, weights, settings.dice_weight)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()


def mixed(states: Sequence[Mapping[str, Tensor]], shares: Sequence[float]) -> State:
    """Weights between some weights: their sum, each times its share."""
    result: State = {}
    for name, first in states[0].items():
        result[name] = first.clone()
        if first.is_floating_point():
            result[name] *= shares[0]
            for share, state in zip(shares[1:], states[1:], strict=True):
                result[name] += share * state[name]
    return result
