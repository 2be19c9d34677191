"""Normalisation statistics of images, mixed into those a network was trained with (AdaBN; Li et al. 2018)."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ...model.network import Cerberus
from ...progress import Job, Progress, run_to_end

Seen = tuple[Tensor, tuple[str, ...]]
"""A (1, 3, h, w) image, RGB 0..255, sides multiples of 16, and the tasks whose decoders read it at its pixel size."""


def with_statistics(network: Cerberus, images: Sequence[Seen], share: float) -> Cerberus:
    """A copy whose encoder, and decoders of the tasks named, normalise partly by what ``images`` hold.

    Parameters
    ----------
    network : Cerberus
        Left as it is.
    images : sequence of Seen
        Each counts alike.
    share : float
        0: the network's own statistics; 1: those of the images alone.
    """
    return run_to_end(statistics_job(network, images, share))


def statistics_job(network: Cerberus, images: Sequence[Seen], share: float) -> Job[Cerberus]:
    """As ``with_statistics``, with a step of progress before each image."""
    twin = copy.deepcopy(network).eval()
    if share == 0 or not images:
        return twin
    before = {name: value.clone() for name, value in twin.state_dict().items() if _is_statistic(name)}
    keys = tuple(dict.fromkeys(key for _, tasks in images for key in tasks))
    with _collecting(twin, keys):
        for number, (image, tasks) in enumerate(images):
            yield Progress("Reading the stain", number, len(images))
            with torch.no_grad():
                twin(image, tasks)
    after = twin.state_dict()
    mixed = {name: (1 - share) * old + share * after[name] for name, old in before.items()}
    twin.load_state_dict(mixed, strict=False)
    return twin


def _is_statistic(name: str) -> bool:
    return name.endswith(("running_mean", "running_var"))


@contextmanager
def _collecting(network: Cerberus, keys: tuple[str, ...]) -> Iterator[None]:
    """Normalise by each image and note its statistics, averaged over the images."""
    layers = list(_layers(network, keys))
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
        layer.train()
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
            layer.eval()


def _layers(network: Cerberus, keys: tuple[str, ...]) -> Iterator[nn.BatchNorm2d]:
    dense = [part[key] for key in keys for part in (network.decoders, network.heads) if key in part]
    for part in (network.encoder, *dense):
        yield from (layer for layer in part.modules() if isinstance(layer, nn.BatchNorm2d))
